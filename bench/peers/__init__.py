"""The peers, each in a module of its own."""

from __future__ import annotations

from peers.aiohttp import AiohttpPeer
from peers.base import Bench, Peer
from peers.copy import CopyPeer, WritePeer
from peers.hyper import HyperPeer
from peers.longshore import LongshorePeer
from peers.nginx import NginxHttp2Peer, NginxPeer
from peers.python import PythonPeer
from peers.rust import DufsPeer, RustusPeer
from peers.s3 import ObstorePeer, RclonePeer, S5cmdPeer

PEERS: dict[str, type[Peer]] = {
    peer.name: peer
    for peer in (
        *(LongshorePeer, NginxPeer, NginxHttp2Peer, HyperPeer, PythonPeer, AiohttpPeer, DufsPeer),
        *(RustusPeer, S5cmdPeer, RclonePeer, ObstorePeer, CopyPeer, WritePeer),
    )
}

__all__ = ["PEERS", "Bench", "Peer"]
