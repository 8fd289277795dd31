"""What can go wrong, as one tree?

    OneTwoError
    ├── ProgramError                     the program is wrong: raised even under on_error="keep"
    │   ├── UsageError                   (TypeError)     called with something that cannot work
    │   ├── NotBoundError                (LookupError)   no backend in scope serves the operation
    │   ├── UnsupportedOptionError       (TypeError)     the bound handler cannot honour an option
    │   ├── NestedRunError               (RuntimeError)  `ot.run` inside an executable
    │   ├── ScopeError                   (RuntimeError)  the registry cannot be changed from here
    │   ├── BudgetExceeded               (RuntimeError)  an `ot.Budget` is spent; `.outcomes` has what there is
    │   ├── TemplateError                (ValueError)    a prompt template is malformed
    │   ├── FlowError                    (ValueError)    a flow's steps or inputs do not fit together
    │   ├── WorkflowError                (ValueError)    a workflow's steps do not fit together
    │   ├── DatasetError                 (ValueError)    examples cannot be read, or do not fit together
    │   └── NetworkRefusedError          (RuntimeError)  under `testing.only_loopback`, something went out
    ├── ParseError                       (ValueError)    a reply is not what was asked for
    ├── MetricError                      (ValueError)    a metric gave no number for one example
    ├── DeadlineError                    (TimeoutError)  a bound set by the program has passed
    ├── RunCancelled                     (RuntimeError)  a run was cancelled from outside
    ├── WorkflowStalled                  (RuntimeError)  a workflow has nothing left to do, and has not stopped
    ├── TurnLimitError                   (RuntimeError)  a model still wants tools after the turns it was given
    ├── ConsumedError                    (ValueError)    an iterator was given to two runs
    ├── MissingExtraError                (ImportError)   an optional dependency is not installed
    ├── BackendError                                     the provider's fault or refusal
    │   ├── AuthenticationError
    │   ├── PermissionDeniedError
    │   ├── ModelNotFoundError           (LookupError)
    │   ├── InvalidRequestError          (ValueError)
    │   │   └── ContextTooLongError
    │   ├── ContentRefusedError
    │   ├── MalformedReplyError          (ValueError)
    │   └── TransientError                               worth another attempt
    │       ├── RateLimitedError
    │       ├── OverloadedError
    │       ├── ConnectionFailedError    (ConnectionError)
    │       └── BackendTimeoutError      (TimeoutError)
    └── CacheError
        ├── UnstorableError              (TypeError)     a value of this type cannot be kept
        ├── CacheFailedError             (ProgramError)  no room left, closed, or damaged as a whole
        └── ReplayMiss                   (LookupError, ProgramError)

Each class also inherits the built-in that people already catch. Errors never
become text in a prompt or an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any  # a name of this module would be taken for one of its errors


class OneTwoError(Exception):
    """Every error this package raises on purpose."""


class ProgramError(OneTwoError):
    """The program itself is wrong, so that no other item of a batch could succeed either."""


class UsageError(ProgramError, TypeError):
    """Something was called with an argument that cannot work."""


class NotBoundError(ProgramError, LookupError):
    """No backend in scope serves the operation, and it cannot be derived from one that does."""


class UnsupportedOptionError(ProgramError, TypeError):
    """The bound handler cannot honour an option that was given."""


class NestedRunError(ProgramError, RuntimeError):
    """`ot.run` was called inside an executable, where `await` belongs."""


class ScopeError(ProgramError, RuntimeError):
    """The registry in force cannot be changed from here."""


class BudgetExceeded(ProgramError, RuntimeError):
    """What an `ot.Budget` allows is spent; `.outcomes` are those of the outermost `parallel`, one per item."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.outcomes: list[Any] = []


class TemplateError(ProgramError, ValueError):
    """A prompt template is malformed, or uses a variable that nobody set."""


class FlowError(ProgramError, ValueError):
    """The steps of a flow do not fit together, or it was called with other inputs than it has."""


class WorkflowError(ProgramError, ValueError):
    """The steps of a workflow do not fit together, or one sent what its annotation does not announce."""


class DatasetError(ProgramError, ValueError):
    """Examples cannot be read, or some of them lack a field or occur twice; the message names the rows."""


class NetworkRefusedError(ProgramError, RuntimeError):
    """Where only loopback is allowed, something tried to reach another address."""


class ParseError(OneTwoError, ValueError):
    """A reply could not be read as what was asked for; `.reply` is the model's text."""

    def __init__(self, message: str, reply: object = None) -> None:
        super().__init__(message)
        self.reply = reply


class MetricError(OneTwoError, ValueError):
    """A metric failed on one example, or returned what is no number."""


class DeadlineError(OneTwoError, TimeoutError):
    """A time bound set by the program has passed."""


class RunCancelled(OneTwoError, RuntimeError):
    """A run was cancelled from outside before it had a value."""


class WorkflowStalled(OneTwoError, RuntimeError):
    """A workflow has nothing left to do, and no step has returned `ot.Stop`."""


class TurnLimitError(OneTwoError, RuntimeError):
    """A model still wants tools called after the turns that it was given; `.messages` is the conversation so far."""

    def __init__(self, message: str, messages: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.messages = messages


class ConsumedError(OneTwoError, ValueError):
    """An iterator, which can be read once, was given to a second run."""


class MissingExtraError(OneTwoError, ImportError):
    """An optional dependency is not installed; the message names the `pip install` to run."""


class BackendError(OneTwoError):
    """A provider failed or refused; carries `.provider`, `.model`, `.request_id` and `.attempts`."""

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        request_id: str | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.model = model
        self.request_id = request_id
        self.attempts = attempts


class AuthenticationError(BackendError):
    """The key is missing, wrong or expired."""


class PermissionDeniedError(BackendError):
    """The key is good but may not do this."""


class ModelNotFoundError(BackendError, LookupError):
    """The provider has no such model."""


class InvalidRequestError(BackendError, ValueError):
    """The provider says that the request is wrong."""


class ContextTooLongError(InvalidRequestError):
    """The prompt and the answer asked for exceed the model's context."""


class ContentRefusedError(BackendError):
    """The model or a filter of the provider refused to answer."""


class MalformedReplyError(BackendError, ValueError):
    """The provider answered with something that is not what was asked for."""


class TransientError(BackendError):
    """The same request may succeed later."""


class RateLimitedError(TransientError):
    """The account has used up its rate for now; `.retry_after_s` if the provider said when."""

    retry_after_s: float | None = None


class OverloadedError(TransientError):
    """The provider cannot serve anybody now (every 5xx)."""

    retry_after_s: float | None = None


class ConnectionFailedError(TransientError, ConnectionError):
    """The connection could not be made, or broke before the whole reply had arrived."""


class BackendTimeoutError(TransientError, TimeoutError):
    """The provider did not answer within the backend's `timeout_s`."""


class CacheError(OneTwoError):
    """A cache cannot be opened, read or written."""


class UnstorableError(CacheError, TypeError):
    """A value of this type cannot be kept in a cache."""


class CacheFailedError(CacheError, ProgramError):
    """A cache can be read or written no more, so that no further reply could be kept."""


class ReplayMiss(CacheError, ProgramError, LookupError):
    """In replay mode, a request that was never recorded."""
