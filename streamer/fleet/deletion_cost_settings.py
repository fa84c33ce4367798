"""Settings of the one pod that tells Kubernetes how full each is. Off by default."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings


class DeletionCostSettings(BaseSettings):
    """Only of use in a cluster, with peers, and with a Role that allows it: the chart's."""

    deletion_cost_selector: str | None = None
    """Labels of the fleet's pods, as "app=streamer": one pod leads and writes on each how full it
    is, so that scale-in takes the emptiest. None: nobody does."""
    deletion_cost_lease: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")] = (
        "streamer"
    )
    """Name of the Lease by which one of them leads."""
