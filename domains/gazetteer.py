"""Names that are spelt differently in English, Russian and Ukrainian, and what they name.

One entity a line: its kind, then its spellings, the first of which is shown. Case endings need not be listed, a stem
that changes under them has to be. Countries and capitals are not here: `services.gazetteer` has them from a library.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from domains.spelling import abbreviated, parts, split

_LINES: Final = """
place: Kyiv; Kiev; Киев; Київ; Києв
place: Kharkiv; Kharkov; Харьков; Харків; Харков
place: Odesa; Odessa; Одесса; Одеса
place: Dnipro; Dnepr; Днепр; Дніпро; Dnipropetrovsk; Днепропетровск; Дніпропетровськ
place: Donetsk; Донецк; Донецьк
place: Zaporizhzhia; Zaporozhye; Запорожье; Запоріжжя; Запоріжж
place: Lviv; Lvov; Львов; Львів; Львов
place: Kryvyi Rih; Krivoy Rog; Кривой Рог; Кривий Ріг; Кривого Рогу; Кривом Роге; Кривому Розі
place: Mykolaiv; Nikolaev; Николаев; Миколаїв; Миколаєв
place: Mariupol; Мариуполь; Маріуполь
place: Luhansk; Lugansk; Луганск; Луганськ
place: Vinnytsia; Vinnitsa; Винница; Вінниця
place: Kherson; Херсон
place: Poltava; Полтава
place: Chernihiv; Chernigov; Чернигов; Чернігів; Чернігов
place: Cherkasy; Черкассы; Черкаси
place: Sumy; Сумы; Суми
place: Zhytomyr; Zhitomir; Житомир
place: Rivne; Rovno; Ровно; Рівне
place: Ternopil; Ternopol; Тернополь; Тернопіль; Тернопол
place: Ivano-Frankivsk; Ивано-Франковск; Івано-Франківськ
place: Uzhhorod; Uzhgorod; Ужгород
place: Chernivtsi; Черновцы; Чернівці
place: Bakhmut; Бахмут
place: Crimea; Крым; Крим
place: Sevastopol; Севастополь
place: Donbas; Donbass; Донбасс; Донбас
place: Moscow; Москва; Москв
place: Saint Petersburg; St Petersburg; Санкт-Петербург; Петербург; Питер
place: Novosibirsk; Новосибирск; Новосибірськ
place: Yekaterinburg; Ekaterinburg; Екатеринбург; Єкатеринбург
place: Nizhny Novgorod; Нижний Новгород; Нижній Новгород
place: Kazan; Казань
place: Chelyabinsk; Челябинск; Челябінськ
place: Samara; Самара
place: Rostov-on-Don; Ростов-на-Дону; Ростов
place: Voronezh; Воронеж
place: Krasnodar; Краснодар
place: Belgorod; Белгород; Бєлгород
place: Kursk; Курск; Курськ
place: Vladivostok; Владивосток
place: Sochi; Сочи; Сочі
place: Minsk; Минск; Мінськ
place: London; Лондон
place: Paris; Париж
place: Berlin; Берлин; Берлін
place: Brussels; Brüssel; Брюссель; Брюсель
place: Vienna; Вена; Відень; Відн
place: Warsaw; Warszawa; Варшава
place: Prague; Praha; Прага; Праз; Праг
place: Rome; Roma; Рим
place: Madrid; Мадрид
place: Geneva; Женева
place: Istanbul; Стамбул
place: Ankara; Анкара
place: Washington; Вашингтон
place: New York; Нью-Йорк
place: Beijing; Peking; Пекин; Пекін
place: Shanghai; Шанхай
place: Tokyo; Токио; Токіо
place: Dubai; Дубай; Дубаи
place: Gaza; Газа; Газе; Газу
place: Jerusalem; Иерусалим; Єрусалим
place: Europe; Европа; Європа
place: Asia; Азия; Азія
place: Africa; Африка
place: United States; USA; US; U.S; США; Соединенные Штаты; Соединенных Штатов; Сполучені Штати; Сполучених Штатів
place: United Kingdom; UK; Britain; Great Britain; Британия; Великобритания; Британія; Велика Британія; Великобританія
place: United Arab Emirates; UAE; ОАЭ; ОАЕ
place: Russia; Russian Federation; Россия; РФ; Росія; Российская Федерация; Російська Федерація
place: Ukraine; Украина; Україна
place: Belarus; Беларусь; Белоруссия; Білорусь; Білорусія
place: Germany; Германия; Німеччина; ФРГ
place: Poland; Польша; Польща
place: Hungary; Венгрия; Угорщина
place: Turkey; Türkiye; Турция; Туреччина
place: China; PRC; Китай; КНР
place: Czech Republic; Czechia; Чехия; Чехія
place: North Korea; Северная Корея; Північна Корея; КНДР
place: South Korea; Южная Корея; Південна Корея
org: European Union; EU; Евросоюз; ЕС; Європейський Союз; Евросоюз; Євросоюз; ЄС; Европейский Союз
org: United Nations; UN; ООН
org: NATO; НАТО; North Atlantic Alliance
org: WHO; World Health Organization; ВОЗ; ВООЗ
org: IMF; International Monetary Fund; МВФ
org: IAEA; МАГАТЭ; МАГАТЕ
org: OSCE; ОБСЕ; ОБСЄ
org: OPEC; ОПЕК
org: WTO; ВТО; СОТ
org: World Bank; Всемирный банк; Світовий банк
org: European Commission; Еврокомиссия; Єврокомісія; Европейская комиссия; Європейська комісія
org: European Parliament; Европарламент; Європарламент
org: Pentagon; Пентагон
org: White House; Белый дом; Білий дім; Білого дому; Білому домі
org: Kremlin; Кремль; Кремл
org: Verkhovna Rada; Верховная Рада; Верховна Рада
org: State Duma; Госдума; Держдума; Государственная Дума
org: Naftogaz; Нафтогаз
org: Gazprom; Газпром
org: Rosneft; Роснефть; Роснефть
org: Sberbank; Сбербанк; Сбер
org: PrivatBank; ПриватБанк; Приватбанк
org: National Bank of Ukraine; NBU; НБУ; Нацбанк
org: Bank of Russia; ЦБ; Центробанк; Банк России
org: Federal Reserve; Fed; ФРС; ФРС США
org: FBI; ФБР
org: CIA; ЦРУ
org: FSB; ФСБ
org: SBU; СБУ
org: Google; Гугл
org: Apple; Эппл; Епл
org: Microsoft; Майкрософт
org: Amazon; Амазон
org: Facebook; Фейсбук
org: Telegram; Телеграм; Телеграмм
org: Yandex; Яндекс
org: OpenAI; ОпенАИ
org: Nvidia; Нвидиа; Нвідіа
org: Tesla; Тесла
org: SpaceX
org: Boeing; Боинг; Боїнг
org: Airbus; Эйрбас; Аірбас
org: Samsung; Самсунг
org: Intel; Интел; Інтел
org: Huawei; Хуавей; Хуавэй
org: Nova Poshta; Новая почта; Нова пошта
org: Ukrzaliznytsia; Укрзализныця; Укрзалізниця
org: Ukrenergo; Укрэнерго; Укренерго
org: Rosatom; Росатом
org: Energoatom; Энергоатом; Енергоатом
org: Dynamo Kyiv; Динамо Киев; Динамо Київ
org: Shakhtar; Шахтер; Шахтар; Шахтёр
org: Hamas; ХАМАС
org: Hezbollah; Хезболла; Хезболла; Гезболла
org: Taliban; Талибан; Талібан
person: Volodymyr Zelensky; Zelensky; Zelenskyy; Зеленский; Зеленський; Владимир Зеленский; Володимир Зеленський; Volodymyr Zelenskyy
person: Vladimir Putin; Putin; Путин; Путін; Владимир Путин; Володимир Путін
person: Donald Trump; Trump; Трамп; Дональд Трамп
person: Joe Biden; Biden; Байден; Джо Байден
person: Emmanuel Macron; Macron; Макрон; Эмманюэль Макрон; Еммануель Макрон
person: Olaf Scholz; Scholz; Шольц; Олаф Шольц
person: Friedrich Merz; Merz; Мерц; Фридрих Мерц; Фрідріх Мерц
person: Keir Starmer; Starmer; Стармер; Кир Стармер; Кір Стармер
person: Xi Jinping; Си Цзиньпин; Сі Цзіньпін
person: Recep Tayyip Erdogan; Erdogan; Erdoğan; Эрдоган; Ердоган; Реджеп Эрдоган
person: Ursula von der Leyen; von der Leyen; Урсула фон дер Ляйен; Урсула фон дер Ляєн
person: Benjamin Netanyahu; Netanyahu; Нетаньяху; Нетаньягу; Биньямин Нетаньяху; Біньямін Нетаньягу
person: Viktor Orban; Orbán; Orban; Орбан; Виктор Орбан; Віктор Орбан
person: Alexander Lukashenko; Lukashenko; Лукашенко; Александр Лукашенко; Олександр Лукашенко
person: Elon Musk; Musk; Маск; Илон Маск; Ілон Маск
person: Mark Rutte; Rutte; Рютте; Марк Рютте
product: iPhone; Айфон
product: Android; Андроид; Андроїд
product: ChatGPT
product: Windows
product: Starlink; Старлинк; Старлінк
product: Bitcoin; Биткоин; Біткоїн; Біткойн
"""


_LONG: Final = 2


@dataclass(frozen=True, slots=True)
class Known:
    """What a spelling names: its kind, and the name that stands for all its spellings."""

    kind: str
    name: str


class Gazetteer:
    """Finds what a run of words names, whatever its language, script and case ending. Holds nothing that changes."""

    def __init__(self, more: Iterable[tuple[str, tuple[str, ...]]] = ()) -> None:
        """Take more entities (kind, spellings); spellings that are known already keep what they name."""
        words: dict[tuple[str, ...], tuple[Known, list[tuple[str, ...]]]] = {}
        letters: dict[str, Known] = {}
        for kind, spellings in [*_entries(), *more]:
            short = [one for one in spellings if abbreviated(one)]
            long = [tuple(zip(*map(split, parts(one)), strict=True)) for one in spellings if one not in short]
            before = [letters[one] for one in short if one in letters]
            before += [words[one[0]][0] for one in long if one and one[0] in words]
            known = before[0] if before else Known(kind, spellings[0])
            letters.update({one: known for one in short if one not in letters})
            for one in filter(None, long):
                words.setdefault(one[0], (known, []))[1].append(one[1])
        self._words: Mapping[tuple[str, ...], tuple[Known, list[tuple[str, ...]]]] = words
        self._letters: Mapping[str, Known] = letters
        self._firsts = frozenset(stems[0] for stems in words)
        self.longest = max(map(len, words))

    def begins(self, word: str, stemmed: str) -> bool:
        """Return whether a name may begin with a word of this stem."""
        return stemmed in self._firsts or word in self._letters

    def find(self, said: Sequence[str], forms: Sequence[tuple[str, str]]) -> Known | None:
        """Return what the words ``said`` name, or None; ``forms`` are their stems and endings (`spelling.split`).

        Abbreviations count in capitals only. A name that has an ending loses it in no case: «Кит» is not «Китай».
        """
        if len(said) == 1 and abbreviated(said[0]):
            return self._letters.get(said[0])
        found = self._words.get(tuple(form[0] for form in forms))
        if found is None:
            return None
        known, spellings = found
        fits = any(
            all(_agree(ours, form[1]) for ours, form in zip(endings, forms, strict=True))
            for endings in spellings
        )
        return known if fits else None


def _entries() -> Iterable[tuple[str, tuple[str, ...]]]:
    for line in _LINES.strip().splitlines():
        kind, _, rest = line.partition(": ")
        yield kind, tuple(rest.split("; "))


def _agree(ours: str, theirs: str) -> bool:
    """Return whether a name that ends so can end so in another case: «-ия» in «-ии», not in «-а»."""
    return not ours or (bool(theirs) and (len(ours) < _LONG or ours[0] == theirs[0]))
