from sam2_rt.bench.streams import Streams
from sam2_rt.bench.wanted import Peer


def test_throughput_counts_the_frames_of_all_streams():
    streams = Streams((0.1, 0.2, 0.1), (0.4, 0.4, 0.5), 4)
    assert streams.batched_fps == 40
    assert streams.in_turn_fps == 10
    assert streams.ratio == 4
    assert streams.p50_ms == 100


def test_the_best_peer_is_the_one_that_is_beaten():
    peers = {Peer.TRANSFORMERS: (2.0,), Peer.SAM2: (1.0,)}
    streams = Streams((0.1,), (0.4,), 4, peers)
    assert streams.peers_fps == {Peer.TRANSFORMERS: 2, Peer.SAM2: 4}
    assert streams.peer_ratio == 10
    assert Streams((0.1,), (0.4,), 4).peer_ratio is None
