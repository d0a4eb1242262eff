"""An independent monitor of one log: knows its public key, reads the C2SP tiles, believes nothing else.

After a crash it goes on from what it keeps in its folder: the newest checkpoint that it proved, written durably before
anything is said of it. The projection beside it can be thrown away.

`Auditor.step` looks at the log once and proves everything that it shows; `Finding` is the evidence when it lies.
"""

from proto.log.finding import Finding
from services.auditor.auditor import Auditor, AuditProgress, Seen
from services.auditor.finding import LyingLogProblem
from services.auditor.state import AuditState, AuditStateProblem

__all__ = ["AuditProgress", "AuditState", "AuditStateProblem", "Auditor", "Finding", "LyingLogProblem", "Seen"]
