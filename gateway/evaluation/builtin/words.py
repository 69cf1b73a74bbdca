"""Which names, places and figures fill the texts, and which of them does training never see?

Each list has two parts, ``train`` and ``held_out``, that share no entry, months and weekdays aside: of those there are
not enough.
"""

from typing import Final, Literal, TypeAlias

from gateway.domain.value import value
from gateway.evaluation.builtin.draw import Draw

Part: TypeAlias = Literal["train", "held-out"]


@value
class Parted:
    """Texts of two parts."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]

    def of(self, part: Part) -> tuple[str, ...]:
        """Those of ``part``."""
        return self.train if part == "train" else self.held_out


def parted(train: str, held_out: str) -> Parted:
    """Words with commas between."""
    return Parted(train=_listed(train), held_out=_listed(held_out))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


_FIRST: Final = parted(
    "Anna, Boris, Clara, David, Elena, Felix, Grace, Henry, Irene, Jacob, Karen, Louis, Maria, Nils, Olga, Peter, "
    "Rosa, Simon, Tanya, Victor, Wendy, Yusuf, Amir, Bella, Carlos, Diana, Emil, Fatima, Georg, Hanna, Adam, Alice, "
    "Andre, Angela, Arthur, Astrid, Barbara, Ben, Brigitte, Camille, Charles, Chloe, Conrad, Daniel, Dora, Edgar, Elias, "
    "Erika, Esther, Frank, Frida, Gabriel, Gloria, Gustav, Harold, Heidi, Ines, Ivan, Jack, Jana, Joan, Julia, Karl, "
    "Katrin, Lars, Laura, Lena, Linda, Lucas, Magda, Marco, Martin, Max, Monica, Natalie, Noah, Otto, Pablo, Ralph, "
    "Rebecca, Robert, Roman, Ruth, Samuel, Sofia, Stefan, Susan, Theo, Thomas, Ursula, Vera, Walter, Yara, Zoe",
    "Agnes, Bruno, Celia, Dario, Edith, Fabian, Greta, Hugo, Ingrid, Jonas, Kamila, Leon, Mira, Nadia, Oscar, Paula",
)
_LAST: Final = parted(
    "Berg, Costa, Duval, Ekman, Fischer, Garcia, Hansen, Ito, Jensen, Kovac, Lopez, Meyer, Novak, Olsen, Petrov, "
    "Quinn, Rossi, Silva, Tanaka, Weber, Young, Zeman, Brown, Clark, Evans, Adams, Bauer, Becker, Bennett, Bianchi, "
    "Bishop, Blanc, Carter, Castro, Cohen, Cooper, Cruz, Davies, Diaz, Dubois, Ericson, Farmer, Ferrari, Fisher, Fox, "
    "Fuchs, Gomez, Gordon, Greco, Hall, Harris, Hill, Hoffman, Hughes, Huber, Jackson, Jordan, Kaya, Kelly, Kim, King, "
    "Klein, Kruger, Lang, Larsen, Lee, Lewis, Lund, Marino, Martin, Mason, Mendes, Miller, Moore, Murphy, Neumann, "
    "Nilsson, Parker, Patel, Perez, Price, Reed, Ricci, Roth, Schmidt, Scott, Shaw, Sato, Stone, Turner, Vega, Vogel, "
    "Wagner, Walsh, Ward, West, Wolf, Wright, Yilmaz",
    "Almeida, Brandt, Carver, Dahl, Engel, Fontana, Grant, Holm, Ivanov, Keller, Lindt, Moreau, Nagy, Ortega, Pohl",
)
_CITY: Final = parted(
    "Berlin, Lisbon, Oslo, Vienna, Madrid, Dublin, Rome, Boston, Denver, Tokyo, Sydney, Cairo, Lima, Athens, Warsaw, "
    "Bergen, Seattle, Toronto, Lyon, Milan, Porto, Leeds, Austin, Geneva, Antwerp, Atlanta, Bangkok, Basel, Belfast, "
    "Bologna, Bremen, Brisbane, Budapest, Calgary, Cardiff, Cologne, Dresden, Durban, Florence, Glasgow, Granada, Hanoi, "
    "Houston, Istanbul, Kyoto, Leipzig, Liverpool, London, Manila, Marseille, Miami, Montreal, Mumbai, Munich, Nairobi, "
    "Naples, Nice, Ottawa, Oxford, Palermo, Paris, Phoenix, Riga, Rotterdam, Salzburg, Santiago, Seoul, Seville, Sofia, "
    "Stockholm, Tallinn, Utrecht, Valencia, Venice, York",
    "Prague, Helsinki, Zurich, Chicago, Bogota, Osaka, Perth, Tunis, Krakow, Ghent, Turin, Malmo, Dallas, Bristol",
)
_ITEM: Final = parted(
    "apples, bread, candles, coffee, eggs, flour, grapes, honey, lemons, milk, nuts, onions, pasta, rice, salt, soap, "
    "sugar, tea, tomatoes, yogurt, butter, carrots, cheese, paper, bananas, basil, biscuits, cabbage, celery, chocolate, "
    "corn, cream, cucumbers, fish, ginger, ham, juice, leeks, lentils, melons, mint, mushrooms, mustard, noodles, olives, "
    "oranges, parsley, peaches, peppers, pickles, potatoes, pumpkins, radishes, raisins, sage, soup, walnuts",
    "almonds, beans, cherries, dates, figs, garlic, jam, kale, mangoes, oats, peas, pears, plums, spinach, vinegar",
)
_PRODUCT: Final = parted(
    "desk lamp, keyboard, backpack, kettle, headphones, raincoat, printer, armchair, bicycle, blender, camera, tent, "
    "alarm clock, blanket, boots, bracelet, briefcase, broom, carpet, chair, clock, coat, coffee machine, couch, curtain, "
    "cushion, drill, drum, fan, fridge, frying pan, gloves, guitar, hair dryer, handbag, hat, helmet, iron, jeans, ladder, "
    "laptop, lawn mower, mattress, microphone, mirror, mixer, mug, necklace, oven, phone case, piano, pillow, pullover, "
    "radio, razor, ring, router, rug, saw, scarf, screen, sewing machine, shelf, shirt, shoes, skateboard, sleeping bag, "
    "speaker, stove, sunglasses, sweater, table, tablet, telescope, torch, towel, tripod, umbrella, vacuum cleaner, vase, "
    "wallet, wardrobe, watch, water bottle",
    "monitor, suitcase, toaster, jacket, scanner, bookshelf, scooter, heater, projector, hammock",
)
_MONTH: Final = parted(
    "January, February, March, April, May, June, July, August, September, October",
    "January, February, April, June, July, September, November, December",
)
_WEEKDAY: Final = parted("Monday, Tuesday, Thursday, Friday, Saturday", "Wednesday, Sunday, Monday, Friday")
_TEAM: Final = parted(
    "sales, support, finance, design, legal, logistics, training, research, accounts, catering, cleaning, delivery, "
    "editing, export, garden, kitchen, medical, night, planning, press, repair, safety, software, storage, travel, web",
    "marketing, payroll, procurement, operations, quality, security",
)

_MATTER: Final = parted(
    "Agenda, Answers, Books, Budget, Cake, Changes, Contract, Documents, Errors, Figures, Forms, Guests, Help, Hints, "
    "Ideas, Invitation, Keys, Letters, Lists, Lunch, Maps, Meeting, Menu, Minutes, Music, Notes, Offer, Offers, Orders, "
    "Parts, Photos, Pictures, Questions, Reminder, Repairs, Report, Reports, Rooms, Rules, Samples, Schedule, Seats, "
    "Stamps, Tests, Thanks, Thoughts, Tickets, Tips, Tools, Trips, Update, Wishes, Words",
    "Plans, News",
)

_LISTS: Final = {
    "matter": _MATTER,
    "first": _FIRST,
    "last": _LAST,
    "city": _CITY,
    "item": _ITEM,
    "product": _PRODUCT,
    "month": _MONTH,
    "weekday": _WEEKDAY,
    "team": _TEAM,
}


def fields(part: Part, draw: Draw) -> dict[str, str]:
    """Something for every name that a text may have in braces."""
    drawn = {name: draw.one(words.of(part)) for name, words in _LISTS.items()}
    other = [word for word in _FIRST.of(part) if word != drawn["first"]]
    return {
        **drawn,
        "name": f"{drawn['first']} {drawn['last']}",
        "friend": draw.one(other),
        "more": draw.one([word for word in _ITEM.of(part) if word != drawn["item"]]),
        "day": str(draw.between(1, 28)),
        "hour": str(draw.between(8, 18)),
        "minute": draw.one(("00", "15", "30", "45")),
        "amount": f"{draw.between(11, 989)}.{draw.between(10, 99)}",
        "fee": f"{draw.between(2, 9)}.{draw.between(10, 99)}",
        "order": f"{draw.one('ABCDEFGHKLMNPRSTUVWXYZ')}{draw.one('ABCDEFGHKLMNPRSTUVWXYZ')}-{draw.between(1000, 9999)}",
        "phone": f"555-{draw.between(1000, 9999)}",
        "percent": str(draw.between(5, 60)),
    }
