import base64
import json

import pytest

from streamer import protocol
from streamer.picture.output import (
    GREEN,
    MAX_IMAGE_BYTES,
    WITH_STRENGTH,
    ConfigureMessage,
    Mode,
    from_query,
)
from streamer.protocol import MAX_MESSAGE_BYTES, ProtocolError


def read(**fields: object) -> ConfigureMessage:
    message = protocol.parse_client(json.dumps({"type": "configure", "seq": 3, **fields}))
    assert isinstance(message, ConfigureMessage)
    return message


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.REPLACE])
def test_each_mode_can_be_asked_for_by_its_name_alone(mode: Mode):
    output = read(output=mode.value).to_output()
    assert (output.mode, output.strength, output.image) == (mode, 0.5, None)


def test_options_become_plain_values():
    assert read(output="blur", strength=1).to_output().strength == 1.0
    assert read(output="replace", colour="#12fFa0").to_output().colour == (0x12, 0xFF, 0xA0)
    assert read(output="green").to_output().colour == GREEN


@pytest.mark.parametrize("mode", [m for m in Mode if m not in WITH_STRENGTH | {Mode.REPLACE}])
def test_a_strength_that_would_do_nothing_is_refused(mode: Mode):
    with pytest.raises(ProtocolError, match="has no strength"):
        read(output=mode.value, strength=0.5)


@pytest.mark.parametrize(
    "fields",
    [
        {"output": "mirror"},
        {"output": "blur", "strength": 1.01},
        {"output": "blur", "strength": -0.01},
        {"output": "blur", "strength": "0.5"},
        {"output": "blur", "colour": "#000000"},
        {"output": "replace"},
        {"output": "replace", "colour": "#000000", "image": "AAAA"},
        {"output": "replace", "colour": "red"},
        {"output": "replace", "colour": "#00000"},
        {"output": "replace", "image": "A" * (4 * MAX_IMAGE_BYTES // 3 + 1)},
    ],
)
def test_what_makes_no_sense_is_a_bad_message_with_its_seq(fields: dict[str, object]):
    with pytest.raises(ProtocolError) as caught:
        read(**fields)
    assert (caught.value.code, caught.value.seq) == ("bad_message", 3)


def test_the_largest_image_fits_one_message():
    file = bytes(MAX_IMAGE_BYTES)
    text = base64.b64encode(file).decode()
    fields = {"type": "configure", "seq": 0xFFFF_FFFE, "output": "replace", "image": text}
    assert len(json.dumps(fields)) <= MAX_MESSAGE_BYTES
    assert read(output="replace", image=text).image_file() == file


def test_an_image_that_is_no_base64_is_a_bad_image():
    with pytest.raises(ProtocolError) as caught:
        read(output="replace", image="?!").image_file()
    assert (caught.value.code, caught.value.seq) == ("bad_image", 3)


def test_an_address_chooses_too():
    assert from_query({}).mode is Mode.OVERLAY
    assert from_query({"token": "x"}).mode is Mode.OVERLAY
    output = from_query({"output": "spotlight", "strength": "0.25", "more": "y"})
    assert (output.mode, output.strength) == (Mode.SPOTLIGHT, 0.25)
    assert from_query({"output": "replace", "colour": "#010203"}).colour == (1, 2, 3)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"output": "mirror"}, "output"),
        ({"output": "blur", "strength": "much"}, "strength"),
        ({"strength": "0.5"}, "output"),
        ({"output": "replace", "image": "AAAA"}, "colour or an image"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused_in_words(fields: dict[str, str], said: str):
    with pytest.raises(ProtocolError, match=said):
        from_query(fields)
