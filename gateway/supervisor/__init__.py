"""Who keeps the gateway's processes alive, and takes them down again?

The supervisor owns every socket that is listened on and every process that is started; it serves no request itself, and
runs neither threads nor an event loop, so that forking stays safe.
"""

from gateway.supervisor.config import Companion, Listening, MetricsPlace, OnDemand, SupervisorConfig
from gateway.supervisor.lifecycle import Backoff
from gateway.supervisor.supervise import Supervisor

__all__ = ["Backoff", "Companion", "Listening", "MetricsPlace", "OnDemand", "Supervisor", "SupervisorConfig"]
