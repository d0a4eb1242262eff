"""`credentify verifier`: the verifier alone, configured by its environment, for production."""

import click

from services.command.service_settings import service_settings
from services.verifier import app, config
from services.verifier.processes import supervisor


@click.command()
def verifier() -> None:
    """Run the verifier alone, configured by CREDENTIFY_VERIFIER_…."""
    settings = service_settings("verifier", config.Config, config.SETTINGS_PREFIX)
    (supervisor if settings.workers > 1 else app).run(settings)
