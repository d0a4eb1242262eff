"""The settings of a service that runs alone, from its environment. Knows no service."""

import os
import sys
from typing import TypeVar

import msgspec

from services.edge.log import Log
from services.settings import load_settings, service_links

_Config = TypeVar("_Config", bound=msgspec.Struct)


def service_settings(service: str, kind: type[_Config], prefix: str) -> _Config:
    """Return a service's settings, saying once which variables were left aside as Kubernetes' own."""
    settings = load_settings(kind, prefix, os.environ)
    if links := sorted(name for name in service_links(os.environ) if name.startswith(prefix)):
        words = "Kubernetes set these for a service of that name; `enableServiceLinks: false` leaves them out"
        Log(service, sys.stdout.buffer).warning("service_links_ignored", variables=links, words=words)
    return settings
