"""When may the next call go, by what the provider has said or shown it allows?

A provider that states its limits in headers is asked at 0.97 of them: no call is refused. One that
does not is found out: the number of calls under way grows until the first refusal; from then on the
*rate* is cut when a call is refused and grows a little with every twenty that are answered.
"""

from __future__ import annotations

from typing import NamedTuple

from onetwo_like.errors import RateLimitedError
from onetwo_like.middleware.limits import Limit
from onetwo_like.middleware.retry import GIVE_UP_AFTER_S

SHARE = 0.97  # of what is stated: the rest is for clocks that differ and replies that come late
BURST_S = 1.0  # what was not used is kept for so long
FIRST_UNDER_WAY = 10.0  # calls at once before anything is known
_GROWTH_UNDER_WAY = 2.0  # per answer, so that a fast server is at a hundred after two of its round trips
_CUT = 0.8
_CUT_EVERY_S = 5.0
_ENOUGH_SENT = 10  # to tell what is allowed from what was answered
_GROWTH = 0.05
_MOST_GROWTH = 0.5
_FAR_ABOVE = 1.3
_ANSWERS_TO_GROW = 20
_SLOWEST = 1 / 60  # calls a second
_PAUSE_S = 1.0  # after a refusal by a provider that states its limits, but not when to come back
_CLOSE = 1e-9


class Bucket:
    """So many units a second, and at most one second's worth at once."""

    def __init__(self, per_s: float, now: float, level: float | None = None) -> None:
        self.per_s = per_s
        self._at = now
        self.level = self.capacity if level is None else min(self.capacity, level)

    @property
    def capacity(self) -> float:
        """The most that may be used at once."""
        return max(1.0, self.per_s * BURST_S)

    def refill(self, now: float) -> None:
        """Adds what has come since."""
        self.level = min(self.capacity, self.level + max(0.0, now - self._at) * self.per_s)
        self._at = now

    def change(self, per_s: float, now: float) -> None:
        """Another rate from here on."""
        self.refill(now)
        self.per_s = per_s
        self.level = min(self.capacity, self.level)

    def ready_in(self, units: float, now: float) -> float:
        """Seconds until so many may be taken. More than fit are taken from a full bucket, as a debt."""
        self.refill(now)
        missing = min(units, self.capacity) - self.level
        return missing / self.per_s if missing > _CLOSE else 0.0


class _Span(NamedTuple):
    """A time in which calls were sent as fast as they might be, and how many of them were refused."""

    since: float
    sent: int = 0
    refused: int = 0
    seconds: float = BURST_S

    def with_call(self, now: float) -> _Span:
        return self._replace(since=min(self.since, now), sent=self.sent + 1)

    def with_refusal(self) -> _Span:
        return self._replace(refused=self.refused + 1)

    def lasting(self, until: float) -> _Span:
        return self._replace(seconds=max(BURST_S, until - self.since))

    @property
    def allowed(self) -> float:
        """What was not refused, in a second."""
        return max(1, self.sent - self.refused) / self.seconds


class Rates:
    """The rates of one account at one model; whoever uses it must hold a lock."""

    def __init__(self, *, learns: bool = True) -> None:
        self._learns = learns
        self._not_before = 0.0
        self._by_hand: dict[str, float] = {}
        self._buckets: dict[str, Bucket] = {}
        self._stated = False
        # How many calls may be under way while nothing is known; None once something is.
        self.most_under_way: float | None = FIRST_UNDER_WAY if learns else None
        self._extra_tokens = 0.0  # what calls used beyond their size, on average
        self._answers = 0
        self._growth = _GROWTH
        self._refused_at = 0.0  # the rate at the last refusal
        self._last_cut = float("-inf")
        self._span = self._before_cut = _Span(float("inf"))

    def bound(self, now: float, *, rpm: float | None, tpm: float | None) -> None:
        """Bounds by hand; of several, the lowest holds."""
        for what, per_minute in (("requests", rpm), ("tokens", tpm)):
            if per_minute is not None:
                self._by_hand[what] = min(per_minute / 60, self._by_hand.get(what, float("inf")))
                self._set(what, self._by_hand[what], now)
        if rpm is not None:
            self.most_under_way = None

    @property
    def counts_tokens(self) -> bool:
        """Whether it matters how many tokens a call takes."""
        return "tokens" in self._buckets

    def tokens_of(self, size: float) -> float:
        """What a call of this size will probably take."""
        return max(1.0, size + self._extra_tokens)

    def ready_in(self, tokens: float, now: float) -> float:
        """Seconds until a call of so many tokens may go."""
        wait_s = self._not_before - now
        for what, bucket in self._buckets.items():
            wait_s = max(wait_s, bucket.ready_in(1.0 if what == "requests" else tokens, now))
        return wait_s

    def take(self, tokens: float, now: float) -> None:
        """A call of so many tokens goes now."""
        for what, bucket in self._buckets.items():
            bucket.refill(now)
            if what == "requests" and bucket.level >= bucket.capacity - _CLOSE:
                self._span = _Span(now)  # nobody was waiting for this rate
            bucket.level -= 1.0 if what == "requests" else tokens
        self._span = self._span.with_call(now)

    # What comes back

    def state(self, requests: Limit | None, tokens: Limit | None, under_way: int, now: float) -> None:
        """What the headers of a reply say, while so many other calls, which they do not know of, are under way."""
        for what, limit in (("requests", requests), ("tokens", tokens)):
            if limit is None or not self._learns:
                continue
            left = limit.remaining
            if what not in self._buckets and under_way:
                left = 0.0 if left is None or what == "tokens" else left - under_way
            bucket = self._set(what, limit.per_s * SHARE, now, left)
            if left is not None:  # others may use the account too
                bucket.level = min(bucket.level, left)
            if what == "requests":
                self._stated, self.most_under_way = True, None

    def answered(self, *, size: float, tokens: float, used: float | None, waited: bool, now: float) -> None:
        """A call was answered that was thought to take `tokens`, and took `used`."""
        if used is not None:
            self._extra_tokens += 0.05 * (used - size - self._extra_tokens)
            if "tokens" in self._buckets and tokens:
                self._buckets["tokens"].level -= used - tokens
        if self.most_under_way is not None:
            self.most_under_way += _GROWTH_UNDER_WAY
        if self._stated or not waited or self._last_cut == float("-inf"):
            return
        self._answers += 1
        if self._answers >= _ANSWERS_TO_GROW:
            self._answers = 0
            rate = self._buckets["requests"].per_s * (1 + self._growth)
            self._set("requests", rate, now)
            if rate > _FAR_ABOVE * self._refused_at:  # more is allowed than was known: find out faster
                self._growth = min(_MOST_GROWTH, 2 * self._growth)

    def refused(self, retry_after_s: float | None, sent_at: float, now: float) -> None:
        """The provider says of a call sent at that time that there were too many."""
        if not self._learns:
            return
        if retry_after_s is None and self._stated:
            retry_after_s = _PAUSE_S
        self.pause(retry_after_s or 0.0, now)
        if self._stated:
            return
        if sent_at <= self._last_cut:  # one more of those that went before the rate was cut
            before = self._before_cut = self._before_cut.with_refusal()
            self._cut_to(min(before.allowed, self._buckets["requests"].per_s), now)
            return
        self._span = self._span.with_refusal()
        since_cut_s = now - self._last_cut
        known = self._span.lasting(now)
        telling = known.sent >= _ENOUGH_SENT and since_cut_s >= BURST_S
        if not telling and since_cut_s < _CUT_EVERY_S:
            return
        bucket = self._buckets.get("requests")
        if bucket is None and not telling:
            return  # the rate may have been used up before we came
        # What it did answer is what it allows, however far above that we were.
        rate = self._refused_at = known.allowed
        if bucket is not None:
            self._refused_at = bucket.per_s
            rate = min(rate, bucket.per_s * (_CUT if since_cut_s >= _CUT_EVERY_S else 1.0))
        self._growth = _GROWTH
        self._cut_to(rate, now)
        self._buckets["requests"].level = 0.0
        self.most_under_way = None
        self._last_cut, self._answers = now, 0
        self._before_cut, self._span = known, _Span(now)

    def _cut_to(self, per_s: float, now: float) -> None:
        self._set("requests", max(per_s, _SLOWEST), now)

    def pause(self, seconds: float, now: float) -> None:
        """Nothing goes for so long."""
        if self._learns:
            self._not_before = max(self._not_before, now + seconds)

    def check_patience(self, now: float) -> None:
        """Raises RateLimitedError while the provider wants no calls for longer than one is retried, such as a day."""
        left_s = self._not_before - now
        if left_s > GIVE_UP_AFTER_S:
            error = RateLimitedError(f"not asked: the provider wants no calls for another {left_s:.0f} s")
            error.retry_after_s = left_s
            raise error

    def _set(self, what: str, per_s: float, now: float, level: float | None = None) -> Bucket:
        per_s = min(per_s, self._by_hand.get(what, per_s))
        bucket = self._buckets.get(what)
        if bucket is None:
            bucket = self._buckets[what] = Bucket(per_s, now, level)
        elif bucket.per_s != per_s:
            bucket.change(per_s, now)
        return bucket
