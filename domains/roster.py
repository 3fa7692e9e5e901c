"""Words that tell what kind of name stands beside them, and given names whose spellings differ: English, Russian, Ukrainian."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from domains.spelling import stem


def _words(lines: str) -> frozenset[str]:
    return frozenset(lines.split())


# One given name a line in all its spellings; the first is its key.
_GIVEN: Final = """
Alexander Aleksandr Oleksandr Александр Олександр Саша Сашко
Alexei Aleksey Oleksii Oleksiy Алексей Олексій
Alexandra Aleksandra Oleksandra Александра Олександра
Anatoly Anatolii Анатолий Анатолій
Andrew Andrey Andrei Andrii Andriy Андрей Андрій
Anna Hanna Анна Анне Анну Анной Ганна Ганні Ганну
Anton Антон
Artem Artyom Артем Артём
Bohdan Bogdan Богдан
Boris Borys Борис
Daria Darya Дарья Дарія
Denis Denys Денис
Dmitry Dmitri Dmytro Дмитрий Дмитро
Catherine Katherine Ekaterina Yekaterina Kateryna Екатерина Катерина
Elena Yelena Olena Helen Елена Олена
Eugene Evgeny Yevgeny Yevhen Евгений Євген Євгеній
George Georgy Heorhii Георгий Георгій
Helga Olga Olha Ольга
Ihor Igor Игорь Ігор
Ivan Иван Іван
Iryna Irina Ирина Ірина
Julia Yulia Yuliia Юлия Юлія
Cyril Kirill Kyrylo Кирилл Кирило
Constantine Konstantin Kostiantyn Константин Костянтин
Larisa Larysa Лариса
Leonid Леонид Леонід
Lyudmila Liudmyla Людмила
Maria Mary Mariia Мария Марія
Maxim Maksim Maksym Максим
Marina Maryna Марина
Michael Mikhail Mykhailo Михаил Михайло
Nadia Nadezhda Nadiia Надежда Надія
Natalia Nataliya Наталья Наталия Наталія Наталя
Nicholas Nikolai Nikolay Mykola Николай Микола
Oksana Oxana Оксана
Oleg Oleh Олег
Paul Pavel Pavlo Павел Павла Павло
Peter Petr Pyotr Petro Петр Пётр Петро
Roman Роман
Ruslan Руслан
Sergey Sergei Serhii Serhiy Сергей Сергій
Simon Semyon Semen Семен Семён
Stepan Stephen Steven Степан
Svetlana Svitlana Светлана Світлана
Taras Тарас
Tatiana Tatyana Tetiana Татьяна Тетяна
Vadim Vadym Вадим
Valentina Valentyna Валентина
Valery Valerii Валерий Валерій
Victor Viktor Виктор Віктор
Victoria Viktoria Виктория Вікторія
Vitaly Vitali Vitalii Виталий Віталій
Vladimir Volodymyr Владимир Володимир
Vladislav Vladyslav Владислав
Vyacheslav Viacheslav Вячеслав В'ячеслав
Yaroslav Jaroslav Ярослав
Yuri Yuriy Yurii Юрий Юрій
James Джеймс
John Джон
Robert Роберт
William Уильям Вільям
David Давид Девід Дэвид
Richard Ричард Річард
Joseph Джозеф
Thomas Томас
Charles Чарльз
Donald Дональд
Mark Марк
Elizabeth Елизавета Єлизавета
Sarah Сара
Jennifer Дженнифер Дженніфер
Emma Эмма Емма
Daniel Даниил Данило Данил
Matthew Матвей Матвій
Kevin Кевин Кевін
Brian Брайан Браян
Emily Эмили Емілі
Laura Лаура
Kate Кейт
Jane Джейн
Tom Том
Jack Джек
Jake Джейк
Mike Майк
Joe Джо
Bill Билл Білл
Steve Стив Стів
Chris Крис Кріс
"""
TITLES: Final = _words("""
    mr mrs ms miss dr prof professor sir lady lord president premier minister chancellor senator governor mayor judge
    general colonel captain major sergeant pope king queen prince princess ceo chairman director coach secretary
    ambassador spokesman spokeswoman congressman deputy actor singer writer chief
    президент президента президенту президентом премьер премьера премьер-министр министр министра министру министром
    канцлер сенатор губернатор губернатора мэр мэра мэру мэром судья судьи генерал генерала полковник полковника
    майор капитан директор директора глава главы главу депутат депутата тренер тренера посол посла секретарь
    спикер спикера певец певица певицы актер актёр актриса писатель режиссер режиссёр врач доктор профессор
    господин гражданин адвокат адвоката следователь прокурор
    президента президентом прем'єр прем'єра прем'єр-міністр міністр міністра міністром губернатор мер мера меру мером
    суддя судді полковник директорка директором голова голови голову депутат депутатка тренер посол секретар спікер
    співак співачка акторка письменник письменниця режисер лікар лікарка професор пан пані адвокат слідчий
""")
# Before a name: it is a company, an authority, a club.
ORGANISED: Final = _words("""
    bank university college institute ministry company corporation agency club fc airline airlines hospital party
    department committee commission council foundation museum theatre theater newspaper
    ооо оао зао пао ао ип нпо тов прат пат ат фоп компания компании компанию компанией корпорация корпорации концерн
    завод завода заводе заводом фабрика фабрики комбинат банк банка банке банком университет университета институт
    института министерство министерства агентство агентства клуб клуба фк хк авиакомпания газета газеты газете партия
    партии фонд фонда музей театр холдинг холдинга издание издания издательство магазин сеть сети стартап
    компанія компанії компанію корпорація заводу заводі фабрика фабрики університет університету інститут інституту
    міністерство міністерства агентство клубу авіакомпанія газеті партія партії фонду видання мережа мережі
""")
# After a name, as its last word.
ORGANISED_AFTER: Final = _words("""
    inc ltd llc plc gmbh corp corporation company co group holdings bank university college institute airlines airways
    ministry agency club united fc hospital party committee commission council foundation museum times post news
""")
PLACED: Final = _words("""
    город города городе городу городом г гор село села селе селу с посёлок поселок поселка посёлке деревня деревни
    деревне улица улицы улице улицу ул проспект проспекта проспекте площадь площади река реки реке озеро озера
    район станция станции станцию метро мост аэропорт
    місто міста місті містом м селі селище селища вулиця вулиці вулицю вул проспекту площа площі річка річки річці
    станція станції аеропорт сели
    town village city lake mount
""")
PLACED_AFTER: Final = _words("""
    область области областью районе района район край края крае республика улица улице переулок проспект мост
    області областю районі району вулиця вулиці провулок
    street avenue road square bridge river lake county province region district airport island islands oblast valley
""")
PATRONYMIC: Final = re.compile(
    r"[а-яіїєґ]{2,}(?:ович|евич|йович|овн|евн|івн|їв)(?:а|у|и|і|ы|е|ем|ом|ой|ою|ич|на|ні|ну)?$"
)
# Written with a capital in English without naming anybody; words that begin a sentence in any of the languages.
NOT_NAMES: Final = _words("""
    i monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
    september october november december ukrainian ukrainians russian russians american americans british english
    german germans french chinese european europeans polish turkish israeli ok tv pm am gmt utc
    понедельник вторник среда четверг пятница суббота воскресенье понеділок вівторок середа четвер п'ятниця субота неділя
    фото видео відео источник джерело новый нового новой новому новым первый первого первой первую большой большого международный международного день
    подписаться підписатися читать читати новость реклама
""")


def _spellings() -> Iterator[tuple[str, str]]:
    for line in _GIVEN.strip().splitlines():
        names = line.split()
        for name in names:
            yield stem(name), f"={names[0].casefold()}"


# The stem of each spelling to the one key of the given name.
GIVEN: Final[Mapping[str, str]] = MappingProxyType(dict(reversed([*_spellings()])))
