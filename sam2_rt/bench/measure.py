"""`sam2-rt bench`: milliseconds a stage and a whole step, beside peers in the same process."""

import torch

from sam2_rt.bench.attention import attention_inputs, time_attention
from sam2_rt.bench.colour import time_colour
from sam2_rt.bench.limit import limits
from sam2_rt.bench.peers import begin_of
from sam2_rt.bench.profile import profile_steps, show_profile
from sam2_rt.bench.report import show_attention, show_colour, show_limits, show_steps, show_streams
from sam2_rt.bench.stages import Timer, stages, time_stages
from sam2_rt.bench.steps import clicks_of, time_steps
from sam2_rt.bench.streams import time_streams
from sam2_rt.bench.wanted import Only, Wanted
from sam2_rt.engine import EngineInfo
from sam2_rt.model import zoo
from sam2_rt.model.sam2 import SAM2
from sam2_rt.placement import calls_of, device_of, dtype_of
from sam2_rt.tracking.tracker import TrackerConfig


def measure(wanted: Wanted) -> None:
    """Times what is wanted, and prints of each a table, a JSON line and a Markdown row."""
    torch.set_num_threads(wanted.threads)
    device = device_of(wanted.device)
    if wanted.only is not None:
        _measure_only(wanted, wanted.only, Timer(device, wanted.counts_processor))
        return
    sam2 = plain(wanted.model, wanted.image_size, device)
    peer_type = dtype_of(wanted.peer_dtype, device)
    peers = {peer: begin_of(peer, sam2, peer_type) for peer in wanted.peers}
    zoo.cast(zoo.fold(sam2), dtype_of(wanted.dtype, device))
    size, timer = sam2.config.image_size, Timer(device, wanted.counts_processor)
    with torch.inference_mode():
        calls = calls_of(sam2, wanted.compiled_rows, TrackerConfig().max_conditioning)
        stage_calls = stages(sam2, wanted.tracks)
        stages_ms = time_stages(stage_calls, timer)
        calls.warm_up()
        clicks = clicks_of(wanted.tracks)
        steps = time_steps(calls, wanted, {peer: begin(clicks) for peer, begin in peers.items()})
    show_steps(wanted, size, stages_ms, steps)
    if wanted.is_limited:
        found = limits(sam2, stage_calls, stages_ms, steps.ours_ms, timer)
        show_limits(wanted, size, found)
    if wanted.is_profiled:
        show_profile(profile_steps(calls, clicks))
    if wanted.streams > 1:
        show_streams(wanted, size, time_streams(calls, _info(wanted, size), wanted, peers))


def _measure_only(wanted: Wanted, part: Only, timer: Timer) -> None:
    """Times a part that needs no weights; the model lends its sizes."""
    config = zoo.find(wanted.model).config.at(wanted.image_size)
    with torch.inference_mode():
        if part is Only.COLOUR:
            show_colour(wanted, config.image_size, time_colour(config.image_size, timer))
            return
        dtype = dtype_of(wanted.dtype, timer.device)
        inputs = attention_inputs(config, wanted.tracks, timer, dtype)
        show_attention(wanted, config.image_size, time_attention(inputs, timer))


def plain(model: str, image_size: int | None, device: torch.device) -> SAM2:
    """The model with its weights where they are here, and lively random ones otherwise."""
    if zoo.cached(model) is not None:
        return zoo.load(model, device=str(device), image_size=image_size, folds=False)
    return enlivened(zoo.build(model, image_size).eval()).to(device)


@torch.no_grad()
def enlivened(model: SAM2) -> SAM2:
    """Random weights at which masks are neither empty nor full: there is something to compare."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            fan_in = parameter[0].numel() if len(parameter) > 1 else 4
            parameter.normal_(std=fan_in**-0.5)
    model.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias").add_(10)
    return model


def _info(wanted: Wanted, image_size: int) -> EngineInfo:
    is_trained = zoo.cached(wanted.model) is not None
    return EngineInfo(
        wanted.model, image_size, wanted.device, wanted.dtype, is_trained, wanted.tracks
    )
