"""Real Linux hosts on one machine, for Belay's tests and its demo. See lab/README.md."""
