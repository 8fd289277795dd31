"""Case 1: does the movie soundtrack make 9 calls, in the time of its longest path?"""

import asyncio

import pytest

from onetwo_like import ot
from onetwo_like.testing import FakeClock, Scripted

CRITIC = "You are a music critic who writes short reviews of song lyrics."

SOUNDTRACK = ot.Flow(
    movie_title=ot.prompt("What is a good title of a movie about {{ topic }}?"),
    song_title=ot.prompt("What is a good song title of a soundtrack for a movie called {{ movie_title }}?"),
    main_characters=ot.prompt("What are two main characters for a movie called {{ movie_title }}?"),
    song_lyrics=ot.prompt(
        "Write lyrics of a movie song called {{ song_title }}. The main characters are {{ main_characters }}"
    ),
    **{
        f"song_review_{i}": ot.prompt(
            "What is your opinion on the following song: {{ song_lyrics }}", system=CRITIC
        )
        for i in range(5)
    },
)

# The first words of each prompt, what is answered, and how many seconds that takes.
ANSWERS = {
    "What is a good title": ("Two Friends", 2),
    "What is a good song": ("Side by Side", 3),
    "What are two": ("Ann and Bob", 4),
    "Write lyrics": ("la la", 5),
    "What is your opinion": ("Nice", 6),
}


class Band:
    """A model that takes its time, and notes what it was asked when."""

    def __init__(self, seconds=None):
        self.seconds = seconds
        self.asked: list[tuple[float, str]] = []
        self.backend = Scripted(self.answer)

    async def answer(self, prompt):
        now = asyncio.get_running_loop().time()
        self.asked.append((now, prompt))
        [(text, seconds)] = [value for start, value in ANSWERS.items() if prompt.startswith(start)]
        await asyncio.sleep(seconds if self.seconds is None else self.seconds)
        return f"{text} #{len([1 for _, p in self.asked if p == prompt])}" if text == "Nice" else text

    def play(self, e):
        """The value, and how many seconds it took."""
        clock = FakeClock()
        with ot.RegistryContext():
            self.backend.register()
            return clock.run(e), clock.time()


def test_nine_calls_take_as_long_as_the_longest_path():
    band = Band()
    result, seconds = band.play(SOUNDTRACK(topic="friendship"))
    assert len(band.asked) == 9
    assert seconds == 2 + 4 + 5 + 6
    assert [when for when, _ in band.asked] == [0, 2, 2, 6, 11, 11, 11, 11, 11]
    assert list(result) == list(SOUNDTRACK.steps)
    assert result["movie_title"] == "Two Friends"
    assert result["song_lyrics"] == "la la"
    assert (
        band.asked[3][1]
        == "Write lyrics of a movie song called Side by Side. The main characters are Ann and Bob"
    )
    critic = band.backend.requests[-1].arguments["messages"]
    assert [message.text for message in critic] == [
        CRITIC,
        "What is your opinion on the following song: la la",
    ]


@pytest.mark.parametrize("seconds", [0, 1])
def test_equal_latencies_still_give_nine_calls(seconds):
    band = Band(seconds)
    _, took = band.play(SOUNDTRACK(topic="friendship"))
    assert (len(band.asked), took) == (9, 4 * seconds)


def test_a_second_call_gives_fresh_results():
    band = Band()
    call = SOUNDTRACK(topic="friendship")
    band.play(call)
    band.play(call)
    result, _ = band.play(SOUNDTRACK(topic="war"))
    assert len(band.asked) == 27
    assert band.asked[18][1] == "What is a good title of a movie about war?"
    assert len({prompt for _, prompt in band.asked[:9]}) == 5
    assert result["song_title"] == "Side by Side"


def test_two_movies_at_once_take_the_time_of_one():
    band = Band()
    both, seconds = band.play(ot.parallel(SOUNDTRACK(topic="friendship"), SOUNDTRACK(topic="war")))
    assert (len(band.asked), seconds) == (18, 17)
    assert [len(one) for one in both] == [9, 9]


def test_only_the_lyrics_need_four_calls():
    band = Band()
    result, _ = band.play(SOUNDTRACK.only("song_lyrics")(topic="friendship"))
    assert len(band.asked) == 4
    assert list(result) == ["movie_title", "song_title", "main_characters", "song_lyrics"]


def test_a_given_song_title_is_not_asked_for():
    band = Band()
    result, _ = band.play(SOUNDTRACK.override(song_title="X").only("song_lyrics")(topic="friendship"))
    assert len(band.asked) == 3
    assert result["song_title"] == "X"
