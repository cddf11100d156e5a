"""`python -m drum_qtuner` is the command `drum_qtuner`."""

from drum_qtuner.cli import main

main(prog_name="python -m drum_qtuner")
