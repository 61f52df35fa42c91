import base64

import pytest

from platemark.detectors.patterns import find_shapes

SECRET_TEXT = b"a picture of something that nobody should see"
FIRING = {
    "email": ["write to ann.other+x@mail.example.org", "ANN@EXAMPLE.COM"],
    "card-number": ["4111 1111 1111 1111", "a card 5500-0000-0000-0004 on a table", "340000000000009"],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819"],
    "phone": ["+44 20 7946 0958", "call (555) 123-4567", "030 9018 2012", "+1-555-123-4567"],
    "encoded-base64": [base64.b64encode(SECRET_TEXT).decode()],
    "encoded-base64-short": [base64.b64encode(SECRET_TEXT[:16]).decode()],
    "encoded-hex": [SECRET_TEXT.hex()],
    "encoded-hex-bytes": [SECRET_TEXT.hex(" ")],
    "mixed-scripts": ["a p\u0430per boat", "\u0421astle"],
}
QUIET = [
    "user@home",
    "@example",
    "4111 1111 1111 1112",
    "1234567890123456",
    "0000000000000000",
    "GB29NWBK60161331926818",
    "1024x1024, 1920 1080, seed 4294967295",
    "from 1990-2000, on 2024-01-15 12:30",
    "100 000 000 stars, 3.14159265358979",
    "black-and-white-photo-of-a-very-long-street-in-the-rain",
    "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch",
    "A" * 60,
    "a colour like #ff8800 and 00 11 22 33",
    "width=1024 height==512",
    "\u043c\u043e\u0441\u043a\u0432\u0430 at night",  # a word of one script
    "a 5\u03bcm particle, \u03b2-carotene",
    "caf\u00e9, na\u00efve",
]


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in FIRING.items() for text in texts])
def test_shapes_are_found_where_they_stand(rule: str, text: str) -> None:
    shape = next(shape for shape in find_shapes(text) if shape.rule == rule)
    assert text[shape.start : shape.end].strip()
    assert 0 < shape.score < 1


@pytest.mark.parametrize("text", QUIET)
def test_what_only_looks_like_one_is_left_alone(text: str) -> None:
    assert list(find_shapes(text)) == []
