"""Which tasks look one thing up in a text?

Nine kinds whose answer stands in the text, word for word, among others that resemble it.
"""

from typing import Final

from gateway.evaluation.builtin.kind import Kind, Text
from gateway.evaluation.builtin.words import Parted

SENDER: Final = Kind(
    name="sender",
    rule="holds",
    origin="email",
    wordings=Parted(
        train=(
            "Who sent this e-mail?",
            "Name the sender of the e-mail.",
            "Give the full name of the person who wrote this e-mail.",
            "Find the sender's name.",
            "Which person is this e-mail from?",
            "Extract the name of the sender.",
            "Who wrote this?",
            "Tell me who the message is from.",
            "What is the sender called?",
            "Name the person who sent the message.",
            "Whose e-mail is this? Give the name of the writer.",
        ),
        held_out=(
            "State who this message comes from.",
            "What is the name of the author of this e-mail?",
            "Identify the sender.",
        ),
    ),
    train=(
        Text(
            text="From: {name}\nSubject: Meeting on {weekday}\n\nHello {friend},\nthe meeting moves to {hour}:{minute}. "
            "Please bring the figures for the {team} team.",
            answer="{name}",
        ),
        Text(
            text="Subject: Your order\nFrom: {name}\n\nDear {friend},\nyour {product} has left our store in {city}. It "
            "should arrive on {weekday}.",
            answer="{name}",
        ),
        Text(
            text="Hi {friend},\n\nthe train to {city} leaves at {hour}:{minute} on {weekday}. I will wait at the "
            "station.\n\nBest wishes,\n{name}",
            answer="{name}",
        ),
        Text(
            text="From: {name}\nTo: the {team} team\n\nThe offer for the {product} is ready. It comes to {amount} euros "
            "in all.",
            answer="{name}",
        ),
        Text(
            text="To: {friend}\nFrom: {name}\n\nThe {product} you asked for is here. You can fetch it until {hour}:{minute}.",
            answer="{name}",
        ),
        Text(
            text="To: {friend}, the {team} team\nSubject: {city}\nFrom: {name}\n\nOur hotel is booked from {month} {day} on.",
            answer="{name}",
        ),
        Text(
            text="Hello {friend},\n\nthank you for the {item}. We ate them on {weekday}.\n\nSee you soon,\n{name}",
            answer="{name}",
        ),
        Text(
            text="Subject: Holidays\nFrom: {name}\nTo: {friend}\n\nI am away in {month}. Please write to the {team} team in {city}.",
            answer="{name}",
        ),
        Text(
            text="Dear {friend},\n\nthe price of the {product} is {amount} euros. Order {order} is on its way.\n\nYours,\n{name}",
            answer="{name}",
        ),
    ),
    held_out=(
        Text(
            text="To: {friend}\nFrom: {name}\nSubject: Keys\n\nThe keys for the flat in {city} are with the neighbour. "
            "She is at home until {hour}:{minute}.",
            answer="{name}",
        ),
        Text(
            text="Good morning {friend},\n\nthe {team} team has moved to the second floor. The {product} is still "
            "missing.\n\nKind regards\n{name}",
            answer="{name}",
        ),
        Text(
            text="Subject: Invoice\nFrom: {name}\n\nI attach the invoice for the {product}. It is due on {month} {day}.",
            answer="{name}",
        ),
    ),
)

AMOUNT: Final = Kind(
    name="amount",
    rule="holds",
    origin="invoice",
    wordings=Parted(
        train=(
            "What is the total amount?",
            "Give the total to be paid.",
            "How much has to be paid in all?",
            "Find the total of this invoice.",
            "Extract the total sum.",
            "Write down the total price.",
            "How much is it altogether?",
            "Which sum is to be paid?",
            "Tell me the full price.",
            "What do I owe in total?",
            "Give the final amount.",
        ),
        held_out=("State the sum that is due.", "What does everything cost together?", "Report the invoice's total."),
    ),
    train=(
        Text(
            text="Invoice {order}\nGoods: {product}\nShipping: {fee}\nTotal: {amount}\nDue on {month} {day}.",
            answer="{amount}",
        ),
        Text(
            text="Thank you for your order of a {product}. Shipping is {fee}, the total is {amount}. We deliver to "
            "{city} on {weekday}.",
            answer="{amount}",
        ),
        Text(
            text="Dear {friend}, the repair of your {product} is done. The total is {amount}, of which {fee} is for "
            "parts. You can collect it on {weekday}.",
            answer="{amount}",
        ),
        Text(
            text="Receipt\n{item} {fee}\n{product} included\nTotal {amount}\nPaid by card in {city}", answer="{amount}"
        ),
        Text(
            text="Shipping costs {fee}. The {product} and the shipping together come to {amount}. Order {order} goes to {city}.",
            answer="{amount}",
        ),
        Text(text="Customer: {name}\nTax: {fee}\nSum: {amount}\nOrder: {order}", answer="{amount}"),
        Text(
            text="We charge a fee of {fee} for late payment. Without it your total for the {product} is {amount}, due in {month}.",
            answer="{amount}",
        ),
        Text(
            text="{name} paid {amount} in total, with {fee} for the delivery to {city}. The {product} comes on {weekday}.",
            answer="{amount}",
        ),
    ),
    held_out=(
        Text(
            text="Order {order} has been packed. The packaging costs {fee} and the total comes to {amount}. The parcel "
            "goes to {city}.",
            answer="{amount}",
        ),
        Text(
            text="Bill for {name}\nDeposit: {fee}\nTotal: {amount}\nThe {product} is under warranty until {month}.",
            answer="{amount}",
        ),
        Text(
            text="For the {product} we ask {amount} in total. A late fee of {fee} is added after {month} {day}.",
            answer="{amount}",
        ),
    ),
)

DATE: Final = Kind(
    name="date",
    rule="holds",
    origin="calendar",
    wordings=Parted(
        train=(
            "On which date does it take place?",
            "Give the date of the event.",
            "When is the event? Answer with month and day.",
            "Find the date in the text.",
            "Extract the date.",
            "Which day and month are named?",
            "Tell me the date.",
            "What is the date?",
            "When does it happen? Name month and day.",
            "Which date is given?",
        ),
        held_out=(
            "State the date.",
            "For when is this planned? Give month and day.",
            "Identify the date of the event.",
        ),
    ),
    train=(
        Text(
            text="The yearly meeting of the {team} team is on {month} {day} in {city}. Doors open at {hour}:{minute}.",
            answer="{month} {day}",
        ),
        Text(
            text="Invitation\n{name} gives a talk on the new {product}.\nDate: {month} {day}\nPlace: {city}",
            answer="{month} {day}",
        ),
        Text(
            text="Save the date: {month} {day}. We celebrate with {item} and {more} at the office in {city}. {name} "
            "brings the music.",
            answer="{month} {day}",
        ),
        Text(
            text="Your appointment with {name} was moved to {month} {day}, {hour}:{minute}. Please be there in time.",
            answer="{month} {day}",
        ),
        Text(
            text="On {month} {day} the library in {city} closes at {hour}:{minute}. {name} locks the door.",
            answer="{month} {day}",
        ),
        Text(
            text="Exam for the {team} team\nRoom: {hour}\nWhen: {month} {day}\nTeacher: {name}", answer="{month} {day}"
        ),
        Text(
            text="{name} and {friend} marry in {city} on {month} {day}. Gifts such as a {product} are welcome.",
            answer="{month} {day}",
        ),
    ),
    held_out=(
        Text(
            text="The course for the {team} team starts on {month} {day}. It takes place in room {hour}, and {name} "
            "teaches it.",
            answer="{month} {day}",
        ),
        Text(
            text="Concert in {city}\nSinger: {name}\nWhen: {month} {day}, {hour}:{minute}\nTickets: {amount}",
            answer="{month} {day}",
        ),
        Text(
            text="{name} will visit our branch in {city} on {month} {day}. Lunch is at {hour}:{minute}.",
            answer="{month} {day}",
        ),
    ),
)

CITY: Final = Kind(
    name="city",
    rule="holds",
    origin="web",
    wordings=Parted(
        train=(
            "Which city is mentioned?",
            "Name the city in the text.",
            "In which city is it?",
            "Find the name of the city.",
            "Extract the city.",
            "Give the city.",
            "Which town is named?",
            "What town does the text speak of?",
            "Name the place.",
            "Where is it? Name the city.",
            "Tell me the city.",
        ),
        held_out=("What town is this about?", "State the city that is named.", "Identify the place."),
    ),
    train=(
        Text(
            text="Our shop in {city} opens on {weekday} at {hour}:{minute}. {name} will cut the ribbon.",
            answer="{city}",
        ),
        Text(
            text="The parcel with the {product} reached {city} this morning. The driver is {name}. He rings twice.",
            answer="{city}",
        ),
        Text(
            text="{name} moved to {city} in {month}. The new flat is small. There is a market with {item} and {more} "
            "around the corner.",
            answer="{city}",
        ),
        Text(text="Weather for {weekday}\n{city}: rain until {hour}:{minute}\nWind from the west", answer="{city}"),
        Text(text="Found in {city} on {weekday}: a {product}. The owner may call {phone}.", answer="{city}"),
        Text(
            text="Stolen: a {product}, in {city} on {weekday}. {name} pays {amount} euros to whoever finds it.",
            answer="{city}",
        ),
        Text(
            text="Trains to {city} run every hour until {hour}:{minute}. A ticket is {fee} euros in {month}.",
            answer="{city}",
        ),
        Text(
            text="The mayor of {city} opened the new bridge. {name} sang, and there was {item} for all.",
            answer="{city}",
        ),
        Text(text="{name}, born in {city}, has won a prize of {amount} euros for a new {product}.", answer="{city}"),
        Text(text="Wanted: a cook for our house in {city}. Ask {name}, {phone}, before {weekday}.", answer="{city}"),
        Text(
            text="The {team} team visits {city} in {month}. It has {day} people, and {name} leads it.", answer="{city}"
        ),
        Text(
            text="A new branch in {city} looks for staff. It has {day} desks and a kitchen. {friend} answers questions.",
            answer="{city}",
        ),
        Text(
            text="Hotels in {city} are full until {month} {day}. {name} found a room for {amount} euros.",
            answer="{city}",
        ),
        Text(
            text="Ships leave for {city} at {hour}:{minute}. The company gives a discount of {percent} percent.",
            answer="{city}",
        ),
    ),
    held_out=(
        Text(
            text="The {team} team has a new office in {city}. It has room for {day} people. {name} runs it.",
            answer="{city}",
        ),
        Text(
            text="Lost: a {product}, last seen in {city} on {weekday}. The finder gets {amount} euros from {name}.",
            answer="{city}",
        ),
        Text(
            text="Flights to {city} leave at {hour}:{minute}. The airline gives {percent} percent off in {month}.",
            answer="{city}",
        ),
    ),
)

ORDER: Final = Kind(
    name="order",
    rule="holds",
    origin="ticket",
    wordings=Parted(
        train=(
            "What is the order number?",
            "Give the order number.",
            "Find the number of the order.",
            "Extract the order number.",
            "Which order is this about? Give its number.",
            "Write down the order number.",
            "Tell me the order number.",
            "Which number does the order have?",
            "What number was the order given?",
            "Name the order's number.",
        ),
        held_out=(
            "State the number of this order.",
            "Under which number was it ordered?",
            "Report the order's number.",
        ),
    ),
    train=(
        Text(
            text="Hello, my order {order} has not come yet. I ordered a {product} in {month}. My name is {name}.",
            answer="{order}",
        ),
        Text(text="Ticket\nCustomer: {name}\nOrder: {order}\nProblem: the {product} is broken.", answer="{order}"),
        Text(
            text="The {product} from order {order} was sent back from {city}. We refund {amount} euros within {day} "
            "days.",
            answer="{order}",
        ),
        Text(
            text="Dear {name}, thank you. Your order has the number {order}. It leaves our store on {weekday}.",
            answer="{order}",
        ),
        Text(
            text="Please cancel order {order}. I found the {product} for {amount} euros in {city}. {name}",
            answer="{order}",
        ),
        Text(text="Parcel for {name}\n{product}\nNo. of order: {order}\nWeight: {day} pounds", answer="{order}"),
        Text(
            text="The {team} team has checked order {order} and found that the {product} was missing.", answer="{order}"
        ),
    ),
    held_out=(
        Text(
            text="I would like to change order {order}. Instead of the {product} please send two. Regards, {name}",
            answer="{order}",
        ),
        Text(
            text="Delivery note\nNumber of the order: {order}\nTo: {name}, {city}\nContent: {product}", answer="{order}"
        ),
        Text(
            text="Order {order} is delayed. The {product} comes from {city}, where snow has closed the road.",
            answer="{order}",
        ),
    ),
)

PHONE: Final = Kind(
    name="phone",
    rule="holds",
    origin="web",
    wordings=Parted(
        train=(
            "What is the phone number?",
            "Give the phone number.",
            "Find the telephone number in the text.",
            "Extract the phone number.",
            "Which number can be called?",
            "Write down the phone number.",
            "Tell me the phone number.",
            "Which number do I dial?",
            "By which number can one reach them?",
            "Name the telephone number.",
        ),
        held_out=("State the number to dial.", "How can they be reached by phone?", "Report the telephone number."),
    ),
    train=(
        Text(
            text="The {team} team is in {city}. Its phone number is {phone}. Ask for {name}.",
            answer="{phone}",
        ),
        Text(text="{name}\n{product} repairs\n{city}\nPhone: {phone}\nOpen from {hour}:{minute}", answer="{phone}"),
        Text(
            text="If the {product} does not work, call {phone}. The line is open until {hour}:{minute} on {weekday}.",
            answer="{phone}",
        ),
        Text(
            text="For sale: a {product}, nearly new, {amount} euros. {name}, {phone}, evenings only.", answer="{phone}"
        ),
        Text(
            text="Dr {last} can be reached at {phone} from {hour}:{minute} on. The practice is in {city}.",
            answer="{phone}",
        ),
        Text(text="Taxi {city}\n{phone}\nDay and night, from {fee} euros", answer="{phone}"),
        Text(
            text="Rooms in {city} from {amount} euros. Telephone {phone}, ask for {name}. Breakfast has {item} and {more}.",
            answer="{phone}",
        ),
    ),
    held_out=(
        Text(
            text="Our office in {city} moves in {month}. The telephone stays the same: {phone}. {name} takes the calls.",
            answer="{phone}",
        ),
        Text(
            text="Hotel in {city}, {day} rooms, telephone {phone}. Breakfast with {item} is served from {hour}:{minute}.",
            answer="{phone}",
        ),
        Text(text="The doctor is away until {month} {day}. In urgent cases {name} helps at {phone}.", answer="{phone}"),
    ),
)

PRODUCT: Final = Kind(
    name="product",
    rule="holds",
    origin="review",
    wordings=Parted(
        train=(
            "Which product is this about?",
            "Name the product.",
            "What was bought?",
            "Find the product in the text.",
            "Extract the name of the product.",
            "Give the product.",
            "Which item is it about?",
            "What article is named?",
            "What thing was ordered or sold?",
            "Tell me the product.",
            "Name the item.",
        ),
        held_out=("State what item this text deals with.", "Which article is meant?", "Identify the product."),
    ),
    train=(
        Text(
            text="I bought the {product} in {city} for {amount} euros. It came on {weekday}. No complaints.",
            answer="{product}",
        ),
        Text(text="Review by {name}\nProduct: {product}\nStars: 4\nIt does what it should.", answer="{product}"),
        Text(
            text="Since {month} I have used the {product} every day. My friend {friend} has one too. We got {percent} "
            "percent off.",
            answer="{product}",
        ),
        Text(
            text="The {product} is out of stock until {month}. The {team} team in {city} will tell you when it is back.",
            answer="{product}",
        ),
        Text(
            text="The guarantee for the {product} runs until {month}. {name} keeps the receipt over {amount} euros.",
            answer="{product}",
        ),
        Text(text="On sale this {weekday}: the {product}, {percent} percent off, in {city} only.", answer="{product}"),
        Text(
            text="{name} from {city} writes that the {product} came without a manual. We will send one in {month}.",
            answer="{product}",
        ),
        Text(text="Only {day} left: get the {product} for {amount} euros before {weekday}.", answer="{product}"),
        Text(
            text="{friend} asked whether the {product} can be repaired. The {team} team thinks so.", answer="{product}"
        ),
        Text(text="Order {order}\n1 {product}\nFor: {name}\nTo: {city}", answer="{product}"),
        Text(
            text="{friend} sent a photo of the {product} that we sold in {city}. A screw is missing.",
            answer="{product}",
        ),
        Text(
            text="The insurance for the {product} ends in {month}. {name} would like to pay {fee} for another year.",
            answer="{product}",
        ),
        Text(
            text="{percent} percent off in {month}: the {product} for {amount} euros, on {weekday} only.",
            answer="{product}",
        ),
        Text(
            text="{name} forgot a {product} on the train to {city}. It was handed in on {weekday}.", answer="{product}"
        ),
        Text(text="Lost in {city}: one {product}, of little worth but dear to me. Call {phone}.", answer="{product}"),
    ),
    held_out=(
        Text(
            text="{name} from {city} sent us a picture of the {product}. One part is missing. We will replace it in "
            "{month}.",
            answer="{product}",
        ),
        Text(
            text="New this {month}: the {product}, now {amount} euros. Only on {weekday} and while it lasts.",
            answer="{product}",
        ),
        Text(
            text="The warranty of the {product} ends in {month}. {friend} asked for a longer one and paid {fee}.",
            answer="{product}",
        ),
    ),
)

TIME: Final = Kind(
    name="time",
    rule="holds",
    origin="calendar",
    wordings=Parted(
        train=(
            "At what time does it begin?",
            "Give the time.",
            "Find the time of day in the text.",
            "Extract the time.",
            "What time is named?",
            "Write down the time.",
            "When does it start? Give the time.",
            "What hour is given?",
            "Tell me the time.",
            "From what time on?",
            "Name the time.",
        ),
        held_out=("State the hour.", "From when on? Give the time.", "Report the time that is mentioned."),
    ),
    train=(
        Text(
            text="The {team} team meets at {hour}:{minute} on {weekday}. {name} has booked the large room.",
            answer="{hour}:{minute}",
        ),
        Text(
            text="Train to {city}\nDeparture: {hour}:{minute}\nPlatform {day}\nSeat: window", answer="{hour}:{minute}"
        ),
        Text(
            text="Dinner with {name} is at {hour}:{minute}. There will be {item}, and {friend} brings a cake.",
            answer="{hour}:{minute}",
        ),
        Text(
            text="Please note: the pool in {city} closes at {hour}:{minute} during {month}. Tickets cost {fee}.",
            answer="{hour}:{minute}",
        ),
        Text(
            text="The shop in {city} opens at {hour}:{minute}. {name} has the key, the alarm number is {day}.",
            answer="{hour}:{minute}",
        ),
        Text(text="Lesson with {name}\n{weekday}, {hour}:{minute}\nBring: {item}, {more}", answer="{hour}:{minute}"),
        Text(
            text="{name} calls on {weekday} at {hour}:{minute} about the {product} for {amount} euros.",
            answer="{hour}:{minute}",
        ),
    ),
    held_out=(
        Text(
            text="The film starts at {hour}:{minute}. {friend} has the tickets, which were {fee} each.",
            answer="{hour}:{minute}",
        ),
        Text(
            text="Guided tour of {city}\nMeeting point: the bridge\nTime: {hour}:{minute}\nGuide: {name}",
            answer="{hour}:{minute}",
        ),
        Text(
            text="On {weekday} the courier comes at {hour}:{minute} to fetch the {product}. {name} is told.",
            answer="{hour}:{minute}",
        ),
    ),
)

SUBJECT: Final = Kind(
    name="subject",
    rule="holds",
    origin="email",
    wordings=Parted(
        train=(
            "What is the subject of the e-mail?",
            "Give the subject line.",
            "Copy the subject line.",
            "Find the subject.",
            "Extract the subject of this message.",
            "Write down the subject.",
            "Tell me the subject.",
            "What does the subject line say?",
            "Name the subject of the mail.",
            "Read out the subject line.",
        ),
        held_out=("State the subject line.", "Which subject does the message have?", "Report the e-mail's subject."),
    ),
    train=(
        Text(
            text="From: {name}\nSubject: Trip to {city}\n\nThe tickets are booked. We leave at {hour}:{minute}.",
            answer="Trip to {city}",
        ),
        Text(
            text="Subject: Broken {product}\nFrom: {name}\n\nIt fell from the table on {weekday}. Can it be repaired?",
            answer="Broken {product}",
        ),
        Text(
            text="To: the {team} team\nSubject: Lunch on {weekday}\n\nThere will be {item} for everybody. {friend} cooks.",
            answer="Lunch on {weekday}",
        ),
        Text(
            text="From: {name}\nSubject: Prices in {month}\n\nThe {product} now costs {amount}. The rest stays.",
            answer="Prices in {month}",
        ),
        Text(
            text="To: {friend}\nFrom: {name}\nSubject: Greetings from {city}\n\nWe arrived on {weekday} and the sun is shining.",
            answer="Greetings from {city}",
        ),
        Text(
            text="From: {name}\nSubject: Order {order}\n\nThe {product} has not come. Please check.",
            answer="Order {order}",
        ),
        Text(
            text="Subject: Thanks for the {item}\nFrom: {friend}\n\nThey were very good. See you in {month}.",
            answer="Thanks for the {item}",
        ),
        Text(
            text="From: {name}\nSubject: {matter} for {month}\n\nThe {team} team meets on {weekday}. Do you come?",
            answer="{matter} for {month}",
        ),
        Text(
            text="Subject: {matter} from {city}\nFrom: {name}\n\nI send them with this mail. The rest follows on {weekday}.",
            answer="{matter} from {city}",
        ),
        Text(
            text="To: {friend}\nSubject: {matter} for the {product}\n\nIt was {amount} euros. More on that in {month}.",
            answer="{matter} for the {product}",
        ),
        Text(
            text="From: {name}\nTo: {friend}\nSubject: {matter} about {item}\n\nWe met in {city} and talked for an hour.",
            answer="{matter} about {item}",
        ),
        Text(
            text="Subject: {matter} and {item}\nFrom: {name}\n\nBoth are at the office in {city} since {weekday}.",
            answer="{matter} and {item}",
        ),
    ),
    held_out=(
        Text(
            text="From: {name}\nTo: {friend}\nSubject: News from {city}\n\nThe bridge is open again since {weekday}.",
            answer="News from {city}",
        ),
        Text(
            text="Subject: Refund for the {product}\nFrom: {name}\n\nI sent it back in {month} and still wait for "
            "{amount} euros.",
            answer="Refund for the {product}",
        ),
        Text(
            text="From: {name}\nSubject: Plans for {month}\n\nThe {team} team needs a new {product} by then.",
            answer="Plans for {month}",
        ),
    ),
)

FINDING: Final = (SENDER, AMOUNT, DATE, CITY, ORDER, PHONE, PRODUCT, TIME, SUBJECT)
