import io

import numpy as np
import pytest
from PIL import Image

from app.files.recognition.image import open_picture
from app.files.recognition.result import Hostile, Unreadable
from tests.files import samples
from tests.files.recognition.conftest import Read, Steps


def test_text_in_a_picture_is_read_line_by_line_with_confidence_and_place(read: Read, steps: Steps) -> None:
    found = read(samples.png("Error 0x80070057", "Printer offline"))
    assert found.analysis_type == "ocr"
    assert "0x80070057" in found.text
    assert found.text.splitlines()[1] == "Printer offline"
    assert found.engine == "rapidocr"
    assert found.engine_version
    first, second = found.segments
    assert first.confidence is not None
    assert 0.5 < first.confidence <= 1
    assert first.box is not None
    assert second.box is not None
    assert first.box[0][1] < second.box[0][1]
    assert found.metadata["lines"] == 2
    assert [stage for stage, _, _ in steps] == ["validation", "ocr", "ocr"]
    assert steps[-1][1] == 1.0


def test_green_on_black_console_text_is_read(read: Read) -> None:
    picture = samples.drawn("ping: unreachable", background="black", ink="lime")
    assert "unreachable" in read(samples.encoded(picture)).text


@pytest.mark.parametrize(("ground", "ink"), [("#1e1e1e", "#2a2a2a"), ("white", "#fafafa"), ("#000080", "#0000a0")])
def test_text_that_hardly_stands_out_is_read_at_a_second_look(read: Read, ground: str, ink: str) -> None:
    found = read(samples.encoded(samples.drawn("Printer offline", width=300, background=ground, ink=ink)))
    assert found.text.split() == ["Printer", "offline"]


def test_a_tall_page_capture_is_read_in_parts_each_line_once_and_where_it_is(read: Read, steps: Steps) -> None:
    lines = [f"Entry {number} of the log" for number in range(1, 41)]
    capture = samples.drawn(*lines, width=420)
    assert capture.height > 2 * 800
    found = read(samples.encoded(capture), max_side=800)
    assert found.text.splitlines() == lines
    for row, segment in enumerate(found.segments):
        assert segment.box is not None
        assert abs(segment.box[0][1] - (15 + row * 52)) < 20
    assert (found.metadata["width"], found.metadata["height"]) == capture.size
    assert [message for _, _, message in steps if "part" in message][-1] == "Read part 4 of 4"


def test_a_picture_much_taller_than_wide_is_not_enlarged_without_measure(read: Read) -> None:
    assert read(samples.encoded(Image.new("RGB", (3, 2900), "white"))).text == ""


def test_a_picture_without_text_is_a_finished_recognition_that_says_so(read: Read, steps: Steps) -> None:
    found = read(samples.encoded(Image.new("RGB", (200, 100), "white")))
    assert (found.text, found.segments, found.confidence) == ("", [], None)
    assert steps[-1][2] == "Found no text"


def test_text_is_cut_at_the_limit_and_said_to_be(read: Read) -> None:
    found = read(samples.png("abcdefgh ijklmnop"), max_chars=5)
    assert len(found.text) == 5
    assert found.metadata["truncated"] is True


def test_a_header_of_100000_by_100000_pixels_is_refused_without_decoding(read: Read) -> None:
    with pytest.raises(Hostile, match=r"100,000 × 100,000|more pixels"):
        read(samples.png_header(100_000, 100_000))


def test_a_picture_just_over_the_limit_is_refused_too(read: Read) -> None:
    with pytest.raises(Hostile):
        read(samples.encoded(Image.new("L", (101, 100))), max_pixels=10_000)


def test_a_truncated_png_is_unreadable_with_a_reason(read: Read) -> None:
    whole = samples.png("hello")
    with pytest.raises(Unreadable, match="cannot be decoded") as failure:
        read(whole[: len(whole) // 2])
    assert failure.value.stage == "validation"


def test_a_png_of_only_its_signature_is_unreadable(read: Read) -> None:
    with pytest.raises(Unreadable):
        read(b"\x89PNG\r\n\x1a\n")


def test_a_picture_in_a_format_no_decoder_reads_is_unreadable(read: Read) -> None:
    with pytest.raises(Unreadable):
        read(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))


def test_a_photo_is_turned_upright_by_its_exif(read: Read) -> None:
    picture = samples.drawn("UPRIGHT TEXT")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    found = read(samples.encoded(turned, "JPEG", exif=exif.tobytes(), quality=95))
    assert "UPRIGHT" in found.text
    assert (found.metadata["width"], found.metadata["height"]) == picture.size


def test_only_the_first_frame_of_an_animation_is_read(read: Read) -> None:
    out = io.BytesIO()
    samples.drawn("FIRST FRAME").save(out, "GIF", save_all=True, append_images=[samples.drawn("SECOND")])
    found = read(out.getvalue())
    assert "FIRST" in found.text
    assert "SECOND" not in found.text
    assert found.metadata["frames"] == 2


def test_a_large_picture_is_scaled_down_and_its_boxes_are_not(read: Read) -> None:
    found = read(samples.encoded(samples.drawn("LARGE WORDS", size=200, width=2400)), max_side=600)
    assert "LARGE" in found.text
    box = found.segments[0].box
    assert box is not None
    assert box[1][0] > 700  # in pixels of the original


def test_what_is_noise_is_not_taken_for_letters(read: Read) -> None:
    noise = np.random.default_rng(1).integers(120, 136, (300, 400, 3), dtype=np.uint8)
    assert read(samples.encoded(Image.fromarray(noise))).text == ""


@pytest.mark.parametrize("ink", ["white", "black"])
def test_text_on_a_transparent_ground_is_read_whatever_its_colour(read: Read, ink: str) -> None:
    mask = samples.drawn("SEE THROUGH", background="black", ink="white").convert("L")
    picture = Image.new("RGBA", mask.size, ink)
    picture.putalpha(mask)
    assert "THROUGH" in read(samples.encoded(picture)).text


@pytest.mark.parametrize("mode", ["I;16", "F", "1", "P", "CMYK", "LA"])
def test_pictures_of_other_depths_are_read(read: Read, mode: str) -> None:
    grey = samples.drawn("DEPTH TEST").convert("L")
    deep = Image.fromarray(np.asarray(grey, dtype=np.uint16) * 200)
    picture = deep if mode == "I;16" else grey.convert(mode)
    assert "DEPTH" in read(samples.encoded(picture, "TIFF")).text


def test_a_flat_sixteen_bit_picture_has_no_text(read: Read) -> None:
    assert read(samples.encoded(Image.fromarray(np.full((80, 80), 7, dtype=np.uint16)))).text == ""


def test_a_jpeg_far_over_the_side_limit_is_decoded_small(tmp_path: object, read: Read) -> None:
    found = read(samples.encoded(samples.drawn("DRAFT MODE", size=150, width=2000), "JPEG"), max_side=500)
    assert "DRAFT" in found.text
    assert found.metadata["width"] == 2000


def test_broken_exif_does_not_stop_a_reading() -> None:
    folder = samples.shared("hostile") / "images"
    assert open_picture(folder / "exif_typeerror.jpg", max_pixels=10**8, max_side=3000).width == 800


def test_decompression_bombs_are_hostile(read: Read) -> None:
    folder = samples.shared("hostile") / "images"
    for name in ("decompression_bomb.ico", "png_decompression_dos.png"):
        with pytest.raises(Hostile):
            read(folder / name, name=name)


def test_a_scanned_page_is_read_nearly_without_error(read: Read) -> None:
    folder = samples.shared("ocr")
    text = read(folder / "phototest.tif").text
    assert text.split() == (folder / "phototest.gold.txt").read_text().split()
