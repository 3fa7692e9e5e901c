"""A small trilingual glossary of the news: which words of English, Russian and Ukrainian mean about the same.

One concept a line: English | Russian | Ukrainian. Entries are beginnings of words; one that ends with a full stop is a
whole word. It is evidence for `domains.twin` only, never shown to anyone.
"""

from typing import Final

_LINES: Final = """
two. second. twice | два. две. двух. двое. второ | два. дві. двох. двоє. друг
three. third. | три. трех. трёх. трое. троих. трети | три. трьох. троє. трет
four. fourth. | четыр четверо. четвёр четверт | чотир четвер
five. fifth. | пять. пяти. пятеро пятый пятая | п'ять. п’ять. п'яти. п'ятеро
six. sixth. | шесть. шести. шестеро шестой | шість. шести. шестеро шост
seven. seventh. | семь. семи. семеро седьм | сім. семи. семеро сьом
eight. eighth. | восемь. восьми. восьмой | вісім. восьми. восьм
nine. ninth. | девять. девяти. девятый | дев'ять дев’ять дев'ят
ten. tenth. | десять. десяти. десятый | десять. десяти. десят
half. | половин | половин
fire. blaze firefight burn | пожар возгоран сгорел горел загорел огонь. огня. | пожеж загоран згор горів. горіл вогонь. вогню.
flood | наводнен затоп подтоп паводок | повін затоп підтоп паводок
storm gust wind. winds | буря. бури. бурю. шторм порыв ветер. ветра. ураган | буря. бурі. бурю. шторм порив вітер. вітру. ураган
snow frost freez ice. icy | снег снеж мороз гололед гололёд лед. лёд | сніг сніж мороз ожелед лід. криг
rain. heatwave | дождь. дождя. ливень ливн жара | дощ зливи злив спека
earthquake quake | землетрясен | землетрус
explosion explod blast | взрыв взорв | вибух підірв
crash collision collid overturn | авари столкнов дтп. перевернул опрокинул | авар зіткн дтп. перекинул
collaps | обруш рухнул обвал | обвал упав впав
shot. shoot gunman gunfire | стрельб выстрел расстрел застрел | стріля постріл розстріл застрел
kill. killed kills dead. died die. dies death deaths | погиб умер убит убил смерт скончал | загин помер вбит убит смерт
injur wounded hurt. | ранен пострада травм | поранен постражд травм
rescue saved | спас | рятув врятув
missing. search | пропал пропав поиск ищут. разыск | зник пошук шукають розшук
found. finds. find. discover unearth | нашли. найден нашел нашёл обнаруж | знайш знайд виявл
police officer | полиц мвд. | поліц мвс.
arrest detain custody held. | задерж арест | затрим арешт
court judge trial verdict | суд. суда. суде. судья судьи приговор | суд. суду. суді. суддя вирок
jail prison sentence | тюрьм лишения колони заключен | в'язниц позбавлен колоні ув'язн
prosecut investigat probe | прокур следств следовател расслед | прокур слідств слідч розслід
charged accus suspect | обвин подозр | обвинув звинув підозр
fraud scam swindl | мошен обман | шахра ошука обман
brib corrupt embezz | взятк коррупц растрат хищен | хабар корупц розтрат привлас
steal stolen theft. rob. robbed robbery | краж украл похит ограб | краді вкра викра пограб
fake. counterfeit forge | подделк фальш фейк | підроб фальш фейк
attack strike. strikes | атак удар обстрел | атак удар обстріл
missile rocket drone | ракет дрон беспилот бпла. | ракет дрон безпілот бпла.
war. | война. войны. войне. | війна. війни. війні.
army troop soldier military | арми войск солдат военн | арм військ солдат
evacuat | эвакуир эвакуац | евакуй евакуац
bomb mine. mines. | бомб замин мин. | бомб замін мін.
threat | угроз | загроз погроз
council councill deput | совет. совета. горсовет депутат | рада. ради. міськрад депутат
mayor | мэр. мэра. мэру. мэром. | мер. мера. міськголов
government cabinet | правительств кабмин | уряд. уряду. кабмін
parliament. duma. rada. | парламент госдум думы. дума. | парламент верховн
president | президент | президент
minister ministry | минист | мініст
election vote voted voter ballot | выбор. выборы выборах выборов голос | вибор голос
law. bill. ban. banned bans | закон. закона законопро запрет | закон. закону законопро заборон
sanction | санкц | санкц
protest rally strike. | протест митинг забастов | протест мітинг страйк
resign dismiss suspend sacked fired. | отстав уволен уволи отстран | відстав звільн відсторон
appoint | назнач | признач
agreement deal. treaty | соглашен договор сделк | угод договор
talks negotiat | переговор | переговор перемовин
ruble rouble | рубл | рубл
dollar | доллар | долар
euro. euros. | евро. | євро.
hryvnia | грив грн. | грив грн.
price cost. costs pric expensive | цен стоим стоит. подорож | цін коштув коштує подорож
raise. raises raised hike rise. rises. rose. increase grow | подня повыс вырос увелич рост | підви підня зрос збільш зрост
fall. falls. fell. drop decrease declin | упал сниз паден | впав зниз падін
record. | рекорд | рекорд
bank. banks. | банк | банк
loan credit. borrow | кредит заем заём | кредит позик
tax. taxes. | налог | подат
wage salar | зарплат | зарплат
pension | пенси | пенсі
factory plant. works. | завод фабрик | завод фабрик
worker job. jobs. hire hiring vacanc | работник рабочи ваканс | працівник робочих робітник ваканс
company firm. | компани фирм | компан фірм
shop. shops. store. stores. supermarket | магазин | магазин крамниц
market. stall | рынок рынк павильон | ринок ринк павільйон
bread. bakery pastr | хлеб пекарн пирож | хліб пекарн тістеч
milk. dairy | молок молоч | молок молоч
gas. | газ. газа. | газ. газу.
oil. diesel fuel petrol | нефт дизел топлив бензин | нафт дизел пальн бензин
electric power. outage blackout | электр свет. света. обесточ | електр світл знеструм
heating heat. heats. boiler | отоплен теплотрасс теплос тепла тепло. котельн | опален тепломереж тепла тепло. котельн
water. tap. | вода. воды. воду. водой. водопров водоканал | вода. води. воду. водою. водопров водоканал
pipe. pipes. pipeline main. mains. | труб | труб
repair repaired renovat reconstruct | ремонт реконструкц почин | ремонт реконструкц полагод
build. building. buildings. construct | строит постро здани | будів збуд побуд будин
house. home. homes. apartment flat. flats. | дом. дома. домов квартир | будин дім. квартир
road. roads. street. | дорог улиц трасс | дорог вулиц вул. трас
bridge span. | мост. моста. мосту. пролет пролёт | міст. мосту. мості. проліт прольот
tunnel. | тоннел | тунел
bus. buses. | автобус | автобус
tram. trams. trolleybus | трамва троллейбус | трамва тролейбус
train railway rail. | поезд железнодор вокзал | поїзд потяг залізни
metro. subway | метро | метро
plane. aircraft flight. flights. airport airline | самолет самолёт рейс аэропорт авиа | літак рейс аеропорт авіа
ship. boat. boats. ferry vessel | корабл катер суд. паром лодк | корабел катер судно. пором човн
lorry truck. trucks. | грузовик фура. фуры. фуру. | вантажів фура. фури. фуру.
car. cars. driver | машин автомоб водител легков | машин автомоб авто. воді легков
passenger | пассажир | пасажир
ticket. tickets. fare. fares. | билет проезд | квит проїзд
park. parking | парк. парков | парк. парков паркув
hole. sinkhole pit. | яма. яму. яме. провал | яма. яму. ямі. прова
tree. trees. oak. oaks. forest forester | дерев дуб лес. леса. лесу. лесни | дерев дуб ліс. лісу. лісі. лісни
river. | река. реки. реке. реку. речн | річк ріка. ріки. річков
sea. coast. | море. моря. побереж | море. моря. узбереж
village | село. села. сел. сёл. деревн посел | село. села. сіл. сели
town. city. | город. города. городе. город | місто. міста. місті. міськ
school pupil student classroom | школ учени студент | школ учн студент школяр
teacher teach | учител преподав | вчител учител викладач
univers | универс | універс
kindergarten nursery. | детсад детский | дитсад садоч
child children kid. kids. boy. girl. | ребен ребён дети. детей. мальчик девоч школьник | дитин діти. дітей. хлопч дівч
hospital clinic. ambulan | больниц клиник амбулатор поликлин скор | лікарн клінік амбулатор поліклін швидк
doctor physician medic. medics. surgeon | врач медик доктор хирург | лікар. лікарі лікаря медик хірург
patient | пациент больных | пацієнт хворих
flu. influenza epidem outbreak | грипп эпидем вспышк | грип. грипу. епідем спалах
covid coronavirus pandem | ковид коронавирус пандем | ковід коронавірус пандем
vaccin | вакцин привив | вакцин щеплен
blood. donor | кров донор | кров донор
scanner. tomograph. | томограф | томограф
scientist research study. | учен учён исследов | вчен учен дослід
archaeolog excavat. | археолог раскоп | археолог розкоп
coin. coins. hoard. treasure | монет клад. | монет скарб
museum exhibit. exhibition | музе выставк | музе вистав
theatre theater | театр | театр
cinema film. films. movie | кино кинотеатр фильм | кіно кінотеатр фільм
concert singer song. | концерт певиц певец песн | концерт співа пісн
festival fair. | фестивал ярмар | фестивал ярмар
writer book. books. library | писател книг библиот | письмен книг книж бібліот
artist paint. | худож картин | худож картин
match. game. | матч игр | матч гра. грі.
football soccer | футбол | футбол
team. club. squad | команд клуб сборн | команд клуб збірн
goal. goals. score. scored scores | гол. голы. голов. забил | гол. голи. голів. забив
penalt | пенал | пенал
goalkeeper keeper. | вратар голкип | воротар голкіп
cup. | кубок кубк | кубок кубк
semi semi-final semifinal | полуфинал | півфінал
final. finals. | финал | фінал
champion | чемпион | чемпіон
win. wins. won. winner beat. beats. victor defeat | победи выигр обыгра | перемо виграв виграла обіграв
lose. loses. lost. loss. | проигра поражен потеря | програв поразк втрат
draw. drew. | ничь | ничи нічи
coach. | тренер | тренер
medal. gold. silver. | медал золот сереб | медал золот сріб
chess. | шахмат | шахов шахи. шахів
boxer. fight. bout. | боксер боксёр бой. боя. бою. | боксер бій. бою. поєдин
prize award | прем приз наград | премі приз нагород
open. opens. opened reopen launch | откры запус запущ | відкри запус запущ
close. closes. closed shut. | закры | закри
begin. begins began start. starts started | начал начин стартов | почав поча розпоч старт
end. ends. ended finish | законч заверш | закінч заверш
stop. stops. stopped halt. | останов прекращ прекрат | зупин припин
delay postpone | перенес отлож задержк | перенес відклад затримк
dog. dogs. puppy | собак пёс. пес. щен | собак пес. щен
cat. cats. kitten | кот. кошк котен котён | кіт. кота. кішк кошен
bear. bears. | медвед | ведмід ведмед
animal. zoo. | животн зоопарк звер | тварин зоопарк звір
fish. fisher | рыб | риб
honey. bee. beekeep | мёд. мед. меда. мёда. пчел пчёл пасеч | мед. меду. бджол пасіч
apple. apples. | яблок | яблук яблуч
meal. lunch. menu. canteen food. | питани обед меню. столов еда. | харчуван обід меню. їдальн їжа.
telescope. | телескоп | телескоп
robot | робот. роботы робота. роботов | робот. роботи робота. роботів
camera. video. photo. | камер видео фото | камер відео фото
internet website online. | интернет сайт онлайн | інтернет сайт онлайн
phone. telephone. call-centre call. calls. caller | телефон звон колл кол-центр | телефон дзвін дзвон дзвін кол-центр
comput software | компьют софт | комп'ют софт
artificial. intelligence. | искусственн интеллект ии. | штучн інтелект ші.
space. satellite orbit. | космос космич спутник орбит | космос косміч супутник орбіт
moon. mars. | луна. луны. марс | місяц марс
church. priest. pope. | церк храм священн папа. | церк храм священник папа.
holiday christmas | праздн рождеств | свят різдв
wedding marr. married | свадьб брак. жен | весіл шлюб одруж
bag. bags. | сумк | сумк
return. returns. returned | верну возвра | поверн
free. | бесплат | безкошт
volunteer charit | волонт доброволь благотвор | волонт добровол благод
tonne. tonnes. tons. | тонн | тонн
kilometre kilometer km. | километр км. | кілометр км.
metre. metres. meter. meters. | метр. метра. метров. | метр. метра. метрів.
million. millions. mln. | миллион млн. | мільйон млн.
billion. bln. | миллиард млрд. | мільярд млрд.
percent per. | процент | відсот
yesterday. | вчера. | вчора. учора.
tomorrow. | завтра. | завтра.
"""


def _tables() -> tuple[dict[str, int], dict[str, int]]:
    whole: dict[str, int] = {}
    opening: dict[str, int] = {}
    for number, line in enumerate(_LINES.strip().splitlines()):
        for entry in line.replace("|", " ").replace("’", "'").split():
            table = whole if entry.endswith(".") else opening
            table.setdefault(entry.rstrip("."), number)
    return whole, opening


_WHOLE, _OPENING = _tables()
_LENGTHS: Final = range(max(map(len, _OPENING)), min(map(len, _OPENING)) - 1, -1)


def concept(word: str) -> int | None:
    """Return the number of the concept that a lower-case ``word`` names, or None."""
    word = word.replace("’", "'")
    found = _WHOLE.get(word)
    if found is not None:
        return found
    return next((_OPENING[word[:size]] for size in _LENGTHS if word[:size] in _OPENING), None)
