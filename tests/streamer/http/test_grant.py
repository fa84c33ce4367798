import pytest

from streamer.config import Settings
from streamer.http.grant import ANYBODY, Grant, Limits

OF_BOTH = {
    "max_frame_pixels": (1000, 2000),
    "max_fps": (5.0, 10.0),
    "max_tracks": (2, 4),
    "max_prompts_per_s": (1.0, 2.0),
    "idle_timeout_s": (3.0, 6.0),
    "max_session_s": (30.0, 60.0),
}


@pytest.mark.parametrize("name", OF_BOTH)
def test_the_lower_of_token_and_server_holds(name: str):
    low, high = OF_BOTH[name]
    for claimed, held in ((low, high), (high, low)):
        settings = Grant("a", Limits(**{name: claimed})).lower(Settings(**{name: held}))
        assert getattr(settings, name) == low


@pytest.mark.parametrize("name", ["max_fps", "max_prompts_per_s", "max_session_s"])
def test_where_one_of_them_names_none_the_other_holds(name: str):
    assert getattr(Grant("a", Limits(**{name: 7.0})).lower(Settings()), name) == 7.0
    assert getattr(Grant("a").lower(Settings(**{name: 7.0})), name) == 7.0


def test_a_subject_s_sessions_are_the_lower_of_both():
    grant = Grant("a", Limits(max_sessions=1))
    assert grant.lower(Settings(max_sessions_per_subject=3)).max_sessions_per_subject == 1
    assert grant.lower(Settings()).max_sessions_per_subject == 1
    assert Grant("a").lower(Settings(max_sessions_per_subject=3)).max_sessions_per_subject == 3


def test_whoever_needs_no_token_has_the_service_s_limits():
    assert ANYBODY.lower(Settings()) == Settings()
