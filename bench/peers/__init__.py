"""The peers, each in a module of its own."""

from __future__ import annotations

from peers.base import Bench, Peer
from peers.copy import CopyPeer, WritePeer
from peers.hyper import HyperPeer
from peers.longshore import LongshorePeer
from peers.nginx import NginxPeer
from peers.python import PythonPeer

PEERS: dict[str, type[Peer]] = {
    peer.name: peer for peer in (LongshorePeer, PythonPeer, NginxPeer, HyperPeer, CopyPeer, WritePeer)
}

__all__ = ["PEERS", "Bench", "Peer"]
