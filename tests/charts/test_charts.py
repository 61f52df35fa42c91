"""Charts draw the values that they are given, say them again in words, and let nothing else in."""

import base64
import hashlib
import re
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring

from platemark.charts import rates, reliability, spread
from platemark.charts.own import own_page
from platemark.charts.page import POLICY, STYLE
from platemark.charts.rates import Rate
from platemark.charts.reliability import Bin
from platemark.charts.spread import Spread
from platemark.core.detector_report import REAL, ComparedReportResource, ReportGroup, Thresholds, compared
from platemark.samples import sample_group, sample_report

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "evil/<script>alert('1')</script>\"&amp;\x00\u202e"
FLUX = sample_group("fal/flux", 120, 96, between=10, scores=(2, 3, 2, 4, 3, 4, 6, 8, 12, 76))
POCKET = sample_group("local/pocket", 12, 3, scores=(4, 1, 1, 0, 0, 1, 1, 1, 1, 2))
BLIND = sample_group("openai/image", 0, 0, not_evaluated=3, reasons=("The <b>picture</b> is too large.",))
PHOTOS = sample_group(REAL, 80, 2, between=1, scores=(40, 20, 8, 4, 2, 2, 1, 1, 1, 1))


def body(page: str) -> Element:
    return fromstring(page[page.index("<main>") : page.index("</main>") + 7])


def shown(*groups: ReportGroup, before: tuple[ReportGroup, ...] = ()) -> ComparedReportResource:
    report = sample_report("system", groups=groups)
    return compared(report, sample_report("system", groups=before) if before else None)


def of_class(root: Element, tag: str, *names: str) -> list[Element]:
    return [one for one in root.iter(f"{SVG}{tag}") if {*names} <= {*one.get("class", "").split()}]


def share(text: str | None) -> float:
    assert text is not None
    assert text.endswith("%")
    return float(text[:-1]) / 100


def rate(group: ReportGroup, before: float | None = None) -> Rate:
    return Rate(group.group, group.pictures, group.rate, group.low, group.high, group.real, before, group.between)


def test_a_rate_is_drawn_where_it_is_with_its_interval() -> None:
    drawn = [rate(one) for one in (FLUX, POCKET, BLIND, PHOTOS)]
    root = fromstring(rates.chart("a", "Rates", [("made", drawn[:3]), ("real", drawn[3:])]))

    dots = of_class(root, "circle", "mark", "ai")
    assert [share(dot.get("cx")) for dot in dots] == [FLUX.rate, POCKET.rate]
    (diamond,) = of_class(root, "path", "mark", "alarm")
    (around,) = [one for one in root.iter(f"{SVG}svg") if diamond in list(one)]
    assert share(around.get("x")) == PHOTOS.rate
    bars = of_class(root, "rect", "interval")
    assert [(share(bar.get("x")), share(bar.get("width"))) for bar in bars] == [
        pytest.approx((one.low, one.high - one.low), abs=1e-4) for one in (FLUX, POCKET, PHOTOS)
    ]


def test_few_pictures_are_hollow_and_say_so() -> None:
    root = fromstring(rates.chart("a", "Rates", [("made", [rate(FLUX), rate(POCKET)])]))
    told = [one.text for one in root.iter(f"{SVG}text")]

    assert ["few" in dot.get("class", "").split() for dot in of_class(root, "circle", "mark")] == [False, True]
    assert [text for text in told if text and "too few" in text] == [
        "25\u202f% (8.9\u202f% to 53\u202f%), n = 12, too few"
    ]
    assert "abstained on 10" in told


def test_the_rate_before_is_a_stroke_of_its_own() -> None:
    root = fromstring(rates.chart("a", "Rates", [("made", [rate(FLUX, 0.9), rate(POCKET)])]))
    assert [share(one.get("x1")) for one in of_class(root, "line", "was")] == [0.9]


def test_bars_are_as_high_as_their_share_and_name_their_number() -> None:
    spreads = [Spread(one.group, one.scores, one.real) for one in (FLUX, POCKET)]
    root = fromstring(spread.chart("s", "Spread", spreads, Thresholds(t_lo=0.61, t_hi=0.92)))

    bars = of_class(root, "rect", "bar")
    shares = [count / one.total for one in spreads for count in one.tenths if count]
    tallest = max(float(bar.get("height", "0")) for bar in bars)
    assert [max(float(bar.get("height", "0")), 1.5) for bar in bars] == [
        pytest.approx(max(1.5, tallest * each / max(shares)), abs=0.01) for each in shares
    ]
    assert [int(one.text or "") for one in of_class(root, "text", "count")] == [
        count for one in spreads for count in one.tenths if count
    ]
    assert [int(share(bar.get("x")) * 10) for bar in bars][:10] == list(range(10))
    assert [share(one.get("x1")) for one in of_class(root, "line", "lo")] == [0.61, 0.61]
    assert [share(one.get("x1")) for one in of_class(root, "line", "hi")] == [0.92, 0.92]


def test_recommended_thresholds_stand_at_the_real_uploads_alone() -> None:
    root = body(own_page([shown(FLUX, PHOTOS)]))
    assert [share(one.get("x1")) for one in of_class(root, "line", "wanted")] == [0.45, 0.95]


def test_what_was_said_lies_over_what_was() -> None:
    bins = [Bin(0.0, 0.1, 200, 0.02, 0.01), Bin(0.1, 0.2, 0, None, None), Bin(0.9, 1.0, 50, 0.95, 1.0)]
    root = fromstring(reliability.chart("r", "Reliability", bins))
    (diagonal,) = of_class(root, "line", "diagonal")
    bottom, top = float(diagonal.get("y1", "")), float(diagonal.get("y2", ""))
    dots = of_class(root, "circle", "dot")

    assert [share(dot.get("cx")) for dot in dots] == [0.02, 0.95]
    heights = [(bottom - float(dot.get("cy", ""))) / (bottom - top) for dot in dots]
    assert heights == [pytest.approx(0.01, abs=1e-3), 1.0]
    areas = [float(dot.get("r", "")) ** 2 for dot in dots]
    assert areas[0] / areas[1] == pytest.approx(200 / 50, rel=0.01)


def test_the_table_says_the_same() -> None:
    root = body(own_page([shown(FLUX, POCKET, BLIND, PHOTOS)]))
    tables = [[["".join(cell.itertext()) for cell in row] for row in table.iter("tr")] for table in root.iter("table")]
    assert [row[1:5] for row in tables[0][1:]] == [
        ["120", "96", "80\u202f%", "72\u202f% to 86\u202f%"],
        ["12, too few", "3", "25\u202f%", "8.9\u202f% to 53\u202f%"],
        ["0", "0", "–", "–"],
        ["80", "2", "2.5\u202f%", "0.7\u202f% to 8.7\u202f%"],
    ]
    assert [[int(cell) for cell in row[2:]] for row in tables[1][1:]] == [
        list(one.scores) for one in (FLUX, POCKET, BLIND, PHOTOS)
    ]


def test_a_change_says_whether_it_is_for_the_worse() -> None:
    before = (sample_group("fal/flux", 120, 118), sample_group("local/pocket", 12, 3), sample_group(REAL, 80, 30))
    page = own_page([shown(FLUX, POCKET, PHOTOS, before=before)])
    changes = {"".join(row[0].itertext()): [cell.text for cell in row[1:]] for row in list(body(page).iter("tr"))}

    assert changes["fal/flux"] == ["98.3\u202f%", "80\u202f%", "\u221218.3, intervals apart: worse"]
    assert changes["local/pocket"][2:] == ["+0.0, intervals overlap"]
    assert changes[REAL][2] == "\u221235.0, intervals apart: better"
    assert "Since the report before" not in own_page([shown(FLUX)])


def test_names_are_text_whatever_is_in_them() -> None:
    hostile = sample_group(HOSTILE, 40, 20, reasons=(HOSTILE,), scores=(4,) * 10)
    page = own_page([shown(hostile, PHOTOS)])
    root = body(page)

    assert "<script" not in page
    assert not [char for char in ("\x00", "\u202e") if char in page]
    assert {one.tag for one in root.iter()} == {one.tag for one in body(own_page([shown(BLIND, FLUX, PHOTOS)])).iter()}
    names = [one.text for one in root.iter("bdi")]
    assert HOSTILE.replace("\x00", "\ufffd").replace("\u202e", "\ufffd") in names


def test_the_page_runs_nothing_and_loads_nothing() -> None:
    page = own_page([shown(FLUX, POCKET, BLIND, PHOTOS)])
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)

    assert style == [STYLE]
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in POLICY
    assert POLICY.startswith("default-src 'none'")
    assert f'content="{POLICY}"' in page
    for one in body(page).iter():
        assert one.tag.removeprefix(SVG) not in {"script", "image", "use", "a", "img", "iframe", "style"}
        assert not [name for name in one.attrib if name in {"style", "href", "src"} or name.startswith("on")]


def test_charts_say_what_they_are_and_ids_are_there_once() -> None:
    root = body(own_page([shown(FLUX, PHOTOS), shown(POCKET)]))
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    charts = [one for one in root.iter(f"{SVG}svg") if one.get("role") == "img"]

    assert len(ids) == len({*ids})
    assert len(charts) == 4
    for chart in charts:
        title, about = (root.find(f".//*[@id='{chart.get(name)}']") for name in ("aria-labelledby", "aria-describedby"))
        assert title is not None
        assert about is not None
        assert title.text
        assert about.text


def test_nothing_to_show_is_said() -> None:
    assert "No detector of AI-made pictures is set up here" in own_page([])
    assert "There is no picture yet." in own_page([shown()])
    assert "Nothing was looked at." in rates.chart("a", "Rates", [("made", [])])
    assert "not kept" in own_page([shown(FLUX)], kept=False)
    assert "The detector names no thresholds." in spread.chart("s", "Spread", [], None)
    assert "There is no picture." in reliability.chart("r", "Reliability", [Bin(0.0, 0.1, 0, None, None)])


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of #rgb or #rrggbb."""
    digits = colour.removeprefix("#")
    digits = "".join(each * 2 for each in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_words_and_marks_stand_out_in_light_and_dark() -> None:
    themes = [dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", theme)) for theme in re.findall(r":root \{(.*?)\}", STYLE)]
    assert len(themes) == 2
    for theme in themes:
        for ground in ("card", "paper"):
            for ink in ("ink", "soft", "ai", "alarm"):
                lighter, darker = sorted((luminance(theme[ink]), luminance(theme[ground])), reverse=True)
                assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ink, ground)
