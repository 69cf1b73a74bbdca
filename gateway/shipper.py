"""How does the process run that hands on what the journals hold?

``python -m gateway.shipper [--config FILE [--config-fd N]]``: started by the supervisor where sinks or anchors are
configured. It reads the journals' folder and writes nothing there but its cursors: what it does, and whether it lives,
no request notices.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from adapters.reach import guard
from gateway.audit.places import Places
from gateway.audit.ship.anchor import Anchor
from gateway.audit.ship.anchor_directory import DirectoryAnchor
from gateway.audit.ship.anchor_s3 import S3Anchor
from gateway.audit.ship.anchoring import Anchoring
from gateway.audit.ship.cursor import Cursor
from gateway.audit.ship.directory import DirectorySink
from gateway.audit.ship.pace import Pace
from gateway.audit.ship.redis_stream import RedisStreamSink
from gateway.audit.ship.running import alone, run
from gateway.audit.ship.s3 import S3Sink
from gateway.audit.ship.s3_store import Bucket, S3Store
from gateway.audit.ship.shipping import Shipping
from gateway.audit.ship.sigv4 import S3Key
from gateway.audit.ship.sink import Sink
from gateway.audit.ship.source import Source
from gateway.audit.ship.webhook import WebhookSink
from gateway.configuration.values import AnchorSettings, BucketSettings, SinkSettings
from gateway.domain.address import Addresses
from gateway.domain.errors import ConfigError
from gateway.rotation import Rotation
from gateway.settings import Settings, load, read_snapshot
from gateway.shipper_figures import ShipperFigures, figures_of
from gateway.telemetry.logs import set_up_logs


def main(arguments: Sequence[str] | None = None) -> int:
    """Ship until told to stop; 2 says that the configuration cannot be used."""
    parser = argparse.ArgumentParser(prog="splitgate-shipper")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--config-fd", type=int)
    options = parser.parse_args(arguments)
    try:
        settings = load(options.config, os.environ, raw=read_snapshot(options.config_fd))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    set_up_logs(settings.telemetry.logs)
    # Policies are reloaded by this signal; there are none here.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Sinks and anchors are of the operator's own network mostly; nothing is at home where clouds hand out credentials.
    guard(lambda: Addresses(private=True))
    asyncio.run(_ship(settings, figures_of(os.environ), Pace()))
    return 0


async def _ship(settings: Settings, figures: ShipperFigures, pace: Pace) -> None:
    audit = settings.audit
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    places = Places(audit.dir)
    # The journal's workers note what changes: this process writes none.
    own = [(one.name, one) for one in settings.mounted if one.name.startswith("audit.")]
    async with Rotation(lambda: own, lambda _: None), alone(places, pace, stopping) as lock_held:
        if not lock_held:
            return
        await run(
            Source(places, pace.rescan_s),
            [_shipping(sink, places, pace) for sink in audit.ship],
            [_anchoring(anchor, places, pace, figures) for anchor in audit.anchors],
            pace=pace,
            stopping=stopping,
            on_unshipped=figures.unshipped,
        )


def _shipping(settings: SinkSettings, places: Places, pace: Pace) -> Shipping:
    cursor = Cursor(places.ship / f"{settings.name}.json", pace.save_s)
    sink = _sink(settings, places, pace)
    return Shipping(settings.name, sink, cursor, settings.batch, pace, gather_s=settings.gather_s)


def _anchoring(settings: AnchorSettings, places: Places, pace: Pace, figures: ShipperFigures) -> Anchoring:
    def forked() -> None:
        figures.forked(settings.name)

    figures.anchored(settings.name)
    cursor = Cursor(places.ship / f"{settings.name}.json", pace.save_s)
    return Anchoring(settings.name, _anchor(settings), cursor, places=places, pace=pace, on_fork=forked)


def _sink(settings: SinkSettings, places: Places, pace: Pace) -> Sink:
    match settings:
        case SinkSettings(kind="directory", path=Path() as path):
            return DirectorySink(settings.name, path, places, settings.timeout_s)
        case SinkSettings(kind="webhook", url=str(url)):
            return WebhookSink(url, settings.secret, settings.timeout_s)
        case SinkSettings(kind="redis_stream", url=str(url)):
            return RedisStreamSink(
                url,
                settings.stream,
                settings.max_len,
                username=settings.username,
                password=settings.secret,
                timeout_s=settings.timeout_s,
            )
        case SinkSettings(kind="s3", bucket=BucketSettings() as bucket):
            beside = Cursor(places.ship / f"{settings.name}.beside.json", pace.save_s)
            return S3Sink(settings.name, S3Store(_bucket(bucket, settings.timeout_s)), places, beside)
        case _:
            raise ValueError(f"the sink {settings.name} lacks what its kind needs; `splitgate check` says what")


def _anchor(settings: AnchorSettings) -> Anchor:
    match settings:
        case AnchorSettings(kind="directory", path=Path() as path):
            return DirectoryAnchor(path, settings.timeout_s)
        case AnchorSettings(kind="s3", bucket=BucketSettings() as bucket):
            return S3Anchor(_bucket(bucket, settings.timeout_s))
        case _:
            raise ValueError(f"the anchor {settings.name} lacks what its kind needs; `splitgate check` says what")


def _bucket(settings: BucketSettings, timeout_s: float) -> Bucket:
    key = S3Key(
        access_key_id=settings.access_key_id, secret_access_key=settings.secret_access_key, region=settings.region
    )
    return Bucket(
        endpoint=settings.endpoint, bucket=settings.bucket, prefix=settings.prefix, key=key, timeout_s=timeout_s
    )


if __name__ == "__main__":
    sys.exit(main())
