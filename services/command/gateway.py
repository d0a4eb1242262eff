"""`credentify gateway`: the issuer gateway alone, configured by its environment, for production."""

import click

from services.command.service_settings import service_settings
from services.issuer_gateway import app, config


@click.command()
def gateway() -> None:
    """Run the issuer gateway alone, configured by CREDENTIFY_GATEWAY_…."""
    app.run(service_settings("gateway", config.Config, config.PREFIX))
