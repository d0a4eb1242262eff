"""An independent monitor of one log: knows its public key, reads the C2SP tiles, believes nothing else.

`Auditor.step` looks at the log once and proves everything that it shows; `Finding` is the evidence when it lies.
"""

from proto.log.finding import Finding
from services.auditor.auditor import Auditor, AuditProgress, Seen
from services.auditor.finding import LyingLogProblem
from services.auditor.state import AuditState, AuditStateProblem

__all__ = ["AuditProgress", "AuditState", "AuditStateProblem", "Auditor", "Finding", "LyingLogProblem", "Seen"]
