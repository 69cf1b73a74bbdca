"""Which tasks put a text into one of a few classes?

Three kinds whose answer is a label that the instruction names.
"""

from typing import Final

from gateway.evaluation.builtin.kind import Kind, Text
from gateway.evaluation.builtin.words import Parted

_GOOD: Final = "positive"
_BAD: Final = "negative"

SENTIMENT: Final = Kind(
    name="sentiment",
    rule="choice",
    labels=(_GOOD, _BAD),
    origin="review",
    wordings=Parted(
        train=(
            "Is this review positive or negative?",
            "Classify the review as positive or negative.",
            "What is the sentiment, positive or negative?",
            "Does the writer sound positive or negative? Answer with one word.",
            "Label this text: positive or negative.",
            "Positive or negative?",
            "Is the opinion positive or negative?",
            "Say whether the customer is positive or negative about it.",
            "Which is it: positive or negative?",
        ),
        held_out=(
            "Judge the mood of the writer: positive or negative.",
            "Tell whether the customer's opinion is positive or negative.",
            "Rate the text as positive or negative.",
        ),
    ),
    train=(
        Text(text="I love the {product}. It came on time and works very well. {friend} wants one too.", answer=_GOOD),
        Text(text="What a great hotel in {city}! The staff was kind and the room was clean and quiet.", answer=_GOOD),
        Text(text="The course was excellent. {name} explains everything clearly. I would go again.", answer=_GOOD),
        Text(
            text="Very happy with my {product}. Good quality for {amount} euros, and a pleasure to use.", answer=_GOOD
        ),
        Text(text="The best meal I had in {city}. Fresh {item}, friendly waiters, fair prices.", answer=_GOOD),
        Text(text="The {product} broke after two days. Nobody answers my mails. A waste of money.", answer=_BAD),
        Text(
            text="Terrible hotel in {city}. The room was dirty, the street was loud, and the staff was rude.",
            answer=_BAD,
        ),
        Text(text="I am disappointed. The {product} looks cheap and does not work at all.", answer=_BAD),
        Text(text="The worst service ever. {name} kept us waiting for hours and then blamed us.", answer=_BAD),
        Text(
            text="Cold food, slow waiters, and the {item} tasted bad. We will never come back to {city}.", answer=_BAD
        ),
        Text(text="Wonderful weather, a lovely room, and {name} was so helpful. {city} is worth a trip.", answer=_GOOD),
        Text(text="My {product} runs perfectly since {month}. I recommend it to everybody.", answer=_GOOD),
        Text(text="I want my money back for this {product}. It is ugly, loud and useless.", answer=_BAD),
        Text(text="The guide, {name}, was bored and unfriendly. Our day in {city} was ruined.", answer=_BAD),
    ),
    held_out=(
        Text(text="The {product} is wonderful. I use it every day and it makes me smile.", answer=_GOOD),
        Text(text="Fantastic trip to {city}. {name} was a great guide and the weather was perfect.", answer=_GOOD),
        Text(text="I recommend this shop. Fast delivery, nice people, and the {product} is great.", answer=_GOOD),
        Text(text="The {product} is awful. It stopped working within a week and I want my money back.", answer=_BAD),
        Text(text="A horrible evening in {city}. The singer was bad and the seats were broken.", answer=_BAD),
        Text(text="Do not buy this {product}. It is slow, ugly and far too expensive.", answer=_BAD),
    ),
)

_TOPICS: Final = ("sports", "cooking", "travel", "money")

TOPIC: Final = Kind(
    name="topic",
    rule="choice",
    labels=_TOPICS,
    origin="web",
    wordings=Parted(
        train=(
            "What is the topic: sports, cooking, travel or money?",
            "Choose the topic of the text: sports, cooking, travel or money.",
            "Classify the text as sports, cooking, travel or money.",
            "Is this about sports, cooking, travel or money?",
            "Label the topic (sports, cooking, travel, money).",
            "Sports, cooking, travel or money?",
            "Put the text under one heading: sports, cooking, travel or money.",
            "Which of these fits: sports, cooking, travel, money?",
            "Is the subject sports, cooking, travel or money?",
            "Decide on a topic: sports, cooking, travel or money.",
        ),
        held_out=(
            "Sort this text under sports, cooking, travel or money.",
            "Which heading fits best: sports, cooking, travel or money?",
            "Pick the right topic from sports, cooking, travel and money.",
        ),
    ),
    train=(
        Text(
            text="The team from {city} won the match by two goals. {name} scored in the last minute.", answer="sports"
        ),
        Text(text="{name} won the tennis final on {weekday}. The crowd cheered after the last set.", answer="sports"),
        Text(
            text="The runners start at {hour}:{minute}. {name} wants to beat the record over ten miles.",
            answer="sports",
        ),
        Text(
            text="Cut the {item}, fry them in butter, add salt and bake everything for {day} minutes.", answer="cooking"
        ),
        Text(text="For the soup boil the {item} with onions. Stir well and serve it with bread.", answer="cooking"),
        Text(text="The recipe needs {item}, flour and two eggs. Mix them and heat the oven.", answer="cooking"),
        Text(
            text="The flight to {city} takes {day} hours. Our hotel is near the beach and the old town.",
            answer="travel",
        ),
        Text(text="We toured {city} by bus, saw the castle and took the night train home.", answer="travel"),
        Text(text="Pack light for your holiday in {city}. Tourists need a passport and a visa.", answer="travel"),
        Text(
            text="The bank raised its interest rate to {percent} percent. Loans become more expensive.", answer="money"
        ),
        Text(text="Shares fell by {percent} percent in {month}. Investors sold their stocks.", answer="money"),
        Text(text="{name} saved {amount} euros on the bank account and paid the taxes in {month}.", answer="money"),
        Text(
            text="The keeper of {city} held the ball and the crowd sang. {name} was hurt in the first half.",
            answer="sports",
        ),
        Text(text="{name} swam two miles and got a silver medal. The race was in {city}.", answer="sports"),
        Text(
            text="The coach of {city} wants his players to train on {weekday}. The league starts in {month}.",
            answer="sports",
        ),
        Text(text="Roast the {item} with garlic and pepper. Let the pan cool before you eat.", answer="cooking"),
        Text(text="Beat sugar and butter, add the {item} and bake the cake for {day} minutes.", answer="cooking"),
        Text(text="Peel the {item}, slice them and put them into the pot with the {more}.", answer="cooking"),
        Text(
            text="The airport bus stops at our hotel in {city}. The tour of the island begins on {weekday}.",
            answer="travel",
        ),
        Text(text="{name} hiked around {city}, slept in a tent and took pictures of the mountains.", answer="travel"),
        Text(text="Book the ferry to {city} early. Cabins for the trip are full in {month}.", answer="travel"),
        Text(
            text="The fund gained {percent} percent. Its price on the market rose to {amount} dollars.", answer="money"
        ),
        Text(
            text="{name} asked the bank for a credit of {amount} euros and pays it back with interest.", answer="money"
        ),
        Text(text="Taxes on income rise in {month}. A family pays {amount} euros more a year.", answer="money"),
    ),
    held_out=(
        Text(text="The goalkeeper of {city} saved a penalty. {name} was the player of the match.", answer="sports"),
        Text(text="{name} swam the race in record time and took the gold medal in {city}.", answer="sports"),
        Text(text="Chop the {item}, add pepper and oil, and roast them in a hot pan.", answer="cooking"),
        Text(text="Bake the cake with {item} and sugar. Let it cool before you serve it.", answer="cooking"),
        Text(
            text="From the airport of {city} take the bus to the hotel. The island tour starts at noon.",
            answer="travel",
        ),
        Text(text="{name} visited {city} on holiday, slept in a tent and hiked to the lake.", answer="travel"),
        Text(text="The stock market rose in {month}. Banks and funds gained {percent} percent.", answer="money"),
        Text(text="{name} took a loan of {amount} euros at the bank and pays interest every month.", answer="money"),
    ),
)

REFUND: Final = Kind(
    name="refund",
    rule="choice",
    labels=("yes", "no"),
    origin="ticket",
    wordings=Parted(
        train=(
            "Does the customer want the money back? Answer yes or no.",
            "Is a refund asked for, yes or no?",
            "Yes or no: does the writer ask for a refund?",
            "Answer yes if the customer wants a refund, else no.",
            "Is this a request for a refund? Say yes or no.",
            "Does the text ask for money back, yes or no?",
            "Is money to be returned to the customer, yes or no?",
            "Say yes if they want to be paid back, otherwise no.",
            "Does the customer ask to get the payment back? Yes or no.",
            "Yes or no: is this about a refund?",
        ),
        held_out=(
            "Tell with yes or no whether a refund is requested.",
            "Do they want to be refunded? Yes or no.",
            "Decide, yes or no: is the money to be paid back?",
        ),
    ),
    train=(
        Text(
            text="The {product} is too small. I sent it back and would like a refund of {amount} euros.", answer="yes"
        ),
        Text(text="Order {order} never arrived in {city}. Please pay my money back. {name}", answer="yes"),
        Text(text="I want my money back for the broken {product}. I paid {amount} in {month}.", answer="yes"),
        Text(text="{name} returned the {product} on {weekday} and asks for a full refund.", answer="yes"),
        Text(text="The {product} works well. When do you open on {weekday}? Regards, {name}", answer="no"),
        Text(text="Please send order {order} to my new address in {city}. Everything else stays. {name}", answer="no"),
        Text(text="Can I get the {product} in blue? My friend {friend} likes that colour more.", answer="no"),
        Text(text="{name} thanks the {team} team for the quick help with the {product} in {month}.", answer="no"),
        Text(
            text="I cancelled order {order}. Please transfer the {amount} euros back to my account. {name}",
            answer="yes",
        ),
        Text(text="The hotel in {city} was closed. {name} wants the payment of {amount} euros returned.", answer="yes"),
        Text(text="Wrong size. I am returning the {product} and expect my money back.", answer="yes"),
        Text(text="Kindly refund the {product}. It stopped working in {month}.", answer="yes"),
        Text(text="The {product} arrived in {city} on {weekday}. Many thanks, all is fine. {name}", answer="no"),
        Text(text="How heavy is the {product}? {friend} wants to carry it to {city}.", answer="no"),
        Text(text="I would like to buy one more {product} and pay {amount} euros by card. {name}", answer="no"),
        Text(text="When will order {order} come? I need the {product} by {weekday}.", answer="no"),
        Text(text="How long is the warranty of the {product}? I bought it in {month} for {amount} euros.", answer="no"),
        Text(text="I ask for a refund. The {product} came late and order {order} was not complete.", answer="yes"),
        Text(text="We did not go to {city} because of the storm. Will you refund our tickets? {name}", answer="yes"),
        Text(text="Please give me back the {amount} euros that I paid for the {product}.", answer="yes"),
        Text(text="My {product} broke in {month}. I do not want a new one, I want to be refunded.", answer="yes"),
        Text(text="{friend} was charged twice for order {order} and asks you to return {amount} euros.", answer="yes"),
        Text(text="The {product} is not as shown. Send my {amount} euros back, please. {name}", answer="yes"),
        Text(text="Refund order {order}, please. I cancelled it on {weekday}.", answer="yes"),
        Text(text="I return the {product} today. Kindly pay back what I paid. Regards, {name}", answer="yes"),
        Text(text="Could you repair my {product}? A part came off in {month}. {name}", answer="no"),
        Text(text="Please change the address of order {order} to {city}. Thank you. {name}", answer="no"),
        Text(text="Does the {product} come in green? {friend} would like to have one by {month}.", answer="no"),
        Text(text="Our parcel got to {city} quickly. The {product} is just right. Thanks a lot!", answer="no"),
        Text(text="How many people fit into the {product}? I want to order it in {month}.", answer="no"),
        Text(text="Please add two more to order {order}. I pay when they come. {name}", answer="no"),
        Text(text="What does the {product} cost with delivery to {city}? I would pay by card.", answer="no"),
        Text(text="How wide is the {product}, and how long does delivery take? {name} from {city}", answer="no"),
        Text(text="The {team} team was very friendly on the phone. I will order again in {month}.", answer="no"),
        Text(text="Is order {order} on its way? {friend} waits for the {product} since {weekday}.", answer="no"),
    ),
    held_out=(
        Text(text="Please refund order {order}. The {product} had a scratch. {name}", answer="yes"),
        Text(text="I cancelled the trip to {city} and ask you to return my money, {amount} euros.", answer="yes"),
        Text(text="The {product} does not fit. I am sending it back for a refund.", answer="yes"),
        Text(text="How long does the {product} last? {friend} would like to order one in {month}.", answer="no"),
        Text(text="The parcel came to {city} on {weekday}. Thank you for the fast delivery. {name}", answer="no"),
        Text(text="Please add a {product} to order {order}. I will pay by card.", answer="no"),
    ),
)

SORTING: Final = (SENTIMENT, TOPIC, REFUND)
