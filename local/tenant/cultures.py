"""Where the people of the tenant come from: names as they are written, numbers, streets and towns of eighteen
countries.
"""

# ruff: noqa: RUF001 - the letters that look like others are the point: people have such names
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Culture:
    """Where a person comes from; `given` and `surnames` are pairs: as written, and in letters of a UPN."""

    country: str
    usage: str
    language: str
    phone: str
    domain: str
    given: tuple[tuple[str, str], ...]
    surnames: tuple[tuple[str, str], ...]
    streets: tuple[str, ...]
    city: str
    state: str | None
    postal: str


_LATIN: dict[str, str | int | None] = {"ß": "ss", "ø": "o", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "æ": "ae"}


def _ascii(name: str) -> str:
    plain = name.translate(str.maketrans(_LATIN))
    kept = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode().lower()
    return "".join(c for c in kept if c.isalnum() or c == "'")


def _names(text: str) -> tuple[tuple[str, str], ...]:
    """`Zoë Jan-Willem` or `Иван=ivan`; an underscore stands for a space within a name."""
    pairs = (word.partition("=")[::2] for word in text.split())
    return tuple((native.replace("_", " "), latin or _ascii(native)) for native, latin in pairs)


def _culture(head: str, given: str, surnames: str, streets: Sequence[str]) -> Culture:
    country, usage, language, phone, domain, city, state, postal = head.split("|")
    places = (city, state or None, postal)
    return Culture(country, usage, language, phone, domain, _names(given), _names(surnames), tuple(streets), *places)


# Several times the same culture means more of its people: a tenant is never even, and neither are its first letters.
CULTURES = (
    _culture(
        "Netherlands|NL|nl-NL|+31 20 %(d3)s %(d4)s|contoso.nl|Amsterdam|Noord-Holland|1012 AB",
        "Anna Jan Zoë Daan Sanne Jeroen Maarten Femke Anouk Jan-Willem Sjoerd Loïs Bram Noor",
        "de_Vries Jansen van_den_Berg Bakker Visser 't_Hart Mulder van_'t_Hoff IJsselstein Brouwer Dijkstra",
        ["Keizersgracht 123-II", "Plein 1944 nr. 5", '\'s-Gravenhekje 1 "achterhuis"'],
    ),
    _culture(
        "United States|US|en-US|+1 206555%(d4)s|contoso.com|Seattle|WA|98101",
        "James Mary John Alice Jennifer Michael Sarah Aaron Amanda Jacob Madison Marcus Ashley Xavier Quinn",
        "Smith Johnson Williams O'Brien Miller Davis Anderson McDonald Moore Jackson Young Zimmerman",
        ["400 Pine St, Suite 200", "One Microsoft Way\nBuilding 34", '1 "Old" Mill Rd', "PO Box 12\r\nAttn: Mail room"],
    ),
    _culture(
        "Germany|DE|de-DE|+49 30 %(d3)s%(d4)s|contoso.de|Köln|Nordrhein-Westfalen|50667",
        "Jürgen Anja Lukas Käthe Sönke Martina Stefan Sabine Matthias Jörg Änne",
        "Müller Schmidt Groß Weiß Schäfer von_der_Heide Köhler Öztürk Meyer Jäger",
        ["Große Straße 7", "Straße des 17. Juni 135", "Hof 3; Hinterhaus"],
    ),
    _culture(
        "France|FR|fr-FR|+33 1 %(d4)s %(d4)s|contoso.fr|Saint-Étienne||42000",
        "François Zoé Chloé Benoît Anaïs Jean-Luc Hélène Maëlle Mathis Jérôme",
        "D'Arcy L'Hôpital Lefèvre Garçon Noël Dubois Moreau Œuvrard=oeuvrard",
        ["12 bis, rue de l'Église", "ZA « Les Prés », lot n° 4"],
    ),
    _culture(
        "Poland|PL|pl-PL|+48 22 %(d3)s %(d4)s|contoso.com|Łódź||90-001",
        "Łukasz Agnieszka Małgorzata Zbigniew Żaneta Jarosław",
        "Wójcik Kowalski Ćwikła Łuczak Źrebiec Nowak",
        ["ul. Święty Marcin 5/7"],
    ),
    _culture(
        "Türkiye|TR|tr-TR|+90 212 %(d3)s %(d4)s|contoso.com|İstanbul||34000",
        "İbrahim=ibrahim Ayşe Çağla Işıl=isil Mehmet Gökhan",
        "Yılmaz Şahin Öztürk Çelik Ağaoğlu",
        ["Bağdat Cad. No:5/İ"],
    ),
    _culture(
        "Greece|GR|el-GR|+30 210 %(d3)s %(d4)s|contoso.com|Αθήνα||105 57",
        "Μαρία=maria Γιώργος=giorgos Ελένη=eleni Άρης=aris",
        "Παπαδόπουλος=papadopoulos Ωνάσης=onasis Γεωργίου=georgiou",
        ["Οδός Ερμού 1"],
    ),
    _culture(
        "Ukraine|UA|uk-UA|+380 44 %(d3)s %(d4)s|contoso.com|Київ||01001",
        "Іван=ivan Анна=anna Юрій=yurii Їлена=yilena Марія=mariia",
        "Шевченко=shevchenko Ґонта=gonta Коваль=koval Щербак=shcherbak",
        ["вул. Хрещатик, 22"],
    ),
    _culture(
        "Egypt|EG|ar-EG|+20 2 %(d4)s%(d4)s|contoso.com|القاهرة||11511",
        "محمد=mohamed فاطمة=fatima أحمد=ahmed ليلى=layla",
        "المصري=elmasry حسن=hassan عبد_الله=abdallah",
        ["١٢ شارع التحرير"],
    ),
    _culture(
        "Israel|IL|he-IL|+972 3 %(d3)s%(d4)s|contoso.com|תל אביב-יפו||6100000",
        "נועה=noa דוד=david יעל=yael אורי=uri",
        "כהן=cohen לוי=levi בן־דוד=bendavid",
        ["רח' דיזנגוף 50"],
    ),
    _culture(
        "India|IN|hi-IN|+91 11 %(d4)s %(d4)s|contoso.in|मुंबई|महाराष्ट्र|400001",
        "आरव=aarav प्रिया=priya अनन्या=ananya राहुल=rahul संजय=sanjay मीरा=meera",
        "शर्मा=sharma पटेल=patel गुप्ता=gupta सिंह=singh",
        ["प्लॉट 7, एम.जी. रोड"],
    ),
    _culture(
        "China|CN|zh-CN|+86 10 %(d4)s %(d4)s|contoso.com|北京市||100000",
        "伟=wei 秀英=xiuying 敏=min 静=jing 磊=lei",
        "王=wang 李=li 张=zhang 𠮷=ji 欧阳=ouyang",
        ["朝阳区建国路88号"],
    ),
    _culture(
        "Japan|JP|ja-JP|+81 3 %(d4)s %(d4)s|contoso.jp|東京都|東京都|100-0001",
        "さくら=sakura 健太=kenta ミカ=mika 翔=sho",
        "髙橋=takahashi 佐藤=sato 渡邉=watanabe 山﨑=yamazaki",
        ["千代田区千代田1番1号\nビル3階"],
    ),
    _culture(
        "Korea|KR|ko-KR|+82 2 %(d3)s %(d4)s|contoso.com|서울특별시||03000",
        "민준=minjun 서연=seoyeon 지우=jiwoo",
        "김=kim 이=lee 박=park 최=choi",
        ["세종대로 209"],
    ),
    _culture(
        "Spain|ES|es-ES|+34 91 %(d3)s %(d4)s|contoso.es|A Coruña||15001",
        "María José Íñigo Ángel Begoña Martín Joaquín",
        "García_Márquez Núñez de_la_Cruz Peña Ibáñez Martínez",
        ["C/ Mayor, 3, 2.º B"],
    ),
    _culture(
        "Vietnam|VN|vi-VN|+84 24 %(d4)s %(d4)s|contoso.com|Hà Nội||100000",
        "Thị_Ánh Đức Hương Quỳnh",
        "Nguyễn Trần Đặng Phạm",
        ["Số 5, phố Huế"],
    ),
    _culture(
        "Thailand|TH|th-TH|+66 2 %(d3)s %(d4)s|contoso.com|กรุงเทพฯ||10200",
        "สมชาย=somchai มาลี=malee",
        "ใจดี=jaidee ศรีสุข=srisuk",
        ["ถนนพระราม ๔"],
    ),
    _culture(
        "Denmark|DK|da-DK|+45 %(d4)s%(d4)s|contoso.com|København||1050",
        "Søren Åse Mette Jørgen Bjørn",
        "Sørensen Ærø Østergaard Madsen",
        ["Nyhavn 1, 2. tv"],
    ),
)
SHARES = (22, 26, 9, 6, 4, 4, 2, 4, 4, 2, 8, 7, 4, 3, 6, 3, 1, 2)
