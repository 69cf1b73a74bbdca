"""How does a running gateway take up another configuration, or none at all?

What the supervisor finds usable goes to one worker after the other; once all run it and the old ones are gone, it is in
force, and what belonged to the one before ends. If a new worker does not get ready, those that have the new
configuration already go back to the old one: in the end all run the same. A look that is asked for meanwhile comes
afterwards.
"""

from collections.abc import Callable

from gateway.supervisor.children import Child, OnDemandChild
from gateway.supervisor.config import Configuration, SupervisorConfig
from gateway.supervisor.figures import Figures
from gateway.supervisor.generation import Generation, Surroundings
from gateway.supervisor.workers import OnEnd, Workers

_EVERY_S = 1.0


class TakingUp:
    """``in_force`` is what every worker runs, or is to run again. ``configuration`` None: nothing is looked at."""

    def __init__(
        self,
        in_force: Generation,
        workers: Workers,
        around: Surroundings,
        *,
        configuration: Configuration | None,
        say: Callable[[str], None],
    ) -> None:
        self.in_force = in_force
        self._workers = workers
        self._around = around
        self._configuration = configuration
        self._say = say
        # Those that workers may still run beside the one in force, and processes that were of such and are to end.
        self._others: list[Generation] = []
        self._ending: list[Child] = []
        self._coming: Generation | None = None
        self._going_back = False
        self.may_begin = False
        """Whether workers may be replaced: not before all serve, nor once they are to stop."""
        self._look_due = False
        self._replace_due = False
        self._refresh_at: float | None = None
        self._watch_at: float | None = None

    @property
    def config(self) -> SupervisorConfig:
        """What is in force of settings."""
        return self.in_force.config

    @property
    def _busy(self) -> bool:
        """Whether a configuration is on its way to the workers, or back."""
        return self._coming is not None or self._going_back

    def processes(self) -> list[Child]:
        """All that are no workers."""
        every = [child for one in (self.in_force, *self._others) for child in one.on_demand]
        return [*dict.fromkeys(every), *self.in_force.companions, *self._ending]

    def kept(self) -> list[Child]:
        """Those that are to be started again when they end; of two with the same figures, one after the other."""
        ending = {child.key for child in self._ending}
        return [child for child in self.processes() if child not in self._ending and self._may_start(child, ending)]

    def hang_up(self) -> None:
        """SIGHUP: policies and keys at once, where they are; the configuration as soon as may be."""
        self._workers.reload()
        self._look_due = self._configuration is not None

    def replace_all(self) -> None:
        """SIGUSR2: a new worker for each place."""
        self._replace_due = True

    def advance(self, now: float) -> None:
        """Do what is due."""
        self._bury()
        self._refresh(now)
        self._watch(now)
        if not self.may_begin or self._busy:
            return
        if self._look_due and self._configuration is not None:
            self._look_due = False
            self._look(self._configuration)
        if self._replace_due and self._coming is None:
            self._replace_due = False
            self._say("replacing the workers one by one")
            self._replace(self.in_force, self._settled, again=True)

    def times(self) -> list[float | None]:
        """When something is to be done; 0 for at once."""
        at_once = [0.0] if (self._look_due or self._replace_due) and self.may_begin and not self._busy else []
        return [*at_once, self._refresh_at, self._watch_at, *[child.lifecycle.resume_at for child in self.kept()]]

    def close(self) -> None:
        """Leave nothing behind: every process has ended."""
        for generation in (self.in_force, *self._others, *([] if self._coming is None else [self._coming])):
            for child in generation.on_demand:
                child.leave()
            generation.close()
        self._bury()

    def _may_start(self, child: Child, ending: set[str]) -> bool:
        return isinstance(child, OnDemandChild) or child.key not in ending

    def _refresh(self, now: float) -> None:
        """Look every now and then whether processes on demand are to be told something else."""
        asked = [child for child in self.processes() if isinstance(child, OnDemandChild) and child.refreshes]
        if not asked:
            self._refresh_at = None
        elif self._refresh_at is None or now >= self._refresh_at:
            self._refresh_at = now + _EVERY_S
            for child in asked:
                child.refresh()

    def _watch(self, now: float) -> None:
        """Notice every now and then that the configuration is to be looked at, where that is wanted."""
        if self._configuration is None or not self._configuration.watched:
            self._watch_at = None
        elif self._watch_at is None or now >= self._watch_at:
            self._watch_at = now + _EVERY_S
            self._look_due = self._configuration.stirred() or self._look_due

    def _look(self, configuration: Configuration) -> None:
        change = configuration.look()
        for line in change.said:
            self._say(line)
        if change.config is None:
            self._tell("unchanged" if change.usable else "refused")
            return
        try:
            self._coming = Generation(change.config, self._around, self.in_force)
        except OSError as error:
            self._say(f"the new configuration cannot be handed to workers ({error.strerror}): nothing is changed")
            configuration.settle(taken=False)
            self._tell("failed")
            return
        self._others.append(self._coming)
        self._replace(self._coming, self._rolled)

    def _replace(self, generation: Generation, on_end: OnEnd, *, again: bool = False) -> None:
        before, config = self.in_force.config, generation.config
        grace_s = max(before.grace_s, config.grace_s)
        self._workers.replace(generation, ready_s=config.ready_s, grace_s=grace_s, on_end=on_end, again=again)

    def _settled(self, *, well: bool) -> None:
        """The workers were replaced by ones of the same configuration."""
        if well:
            self._retire_others()

    def _rolled(self, *, well: bool) -> None:
        """The new configuration was given to the workers, or not to all."""
        coming, self._coming = self._coming, None
        if self._configuration is None or coming is None:
            return
        self._configuration.settle(taken=well)
        self._tell("taken" if well else "failed")
        if well:
            self._others = [one for one in (self.in_force, *self._others) if one is not coming]
            self.in_force = coming
            self._retire_others()
            self._say("every worker runs the new configuration")
        else:
            self._going_back = True
            self._say("the configuration stays what it was before")
            self._replace(self.in_force, self._gone_back)

    def _gone_back(self, *, well: bool) -> None:
        self._going_back = False
        if well:
            self._retire_others()
        else:
            self._say("workers run different configurations now: mend what the lines above tell, then send SIGHUP")

    def _retire_others(self) -> None:
        others, self._others = self._others, []
        for generation in others:
            for child in generation.only_mine(self.in_force):
                child.stop()
                self._ending.append(child)
            generation.close()

    def _bury(self) -> None:
        for child in [child for child in self._ending if not child.running]:
            self._ending.remove(child)
            if isinstance(child, OnDemandChild):
                child.leave()

    def _tell(self, result: str) -> None:
        figures: Figures | None = self._around.figures
        if figures is not None:
            figures.looked(result)
