"""Rig T: the truth about what flowed, from outside, while the daemon, its guard and its instruments' lines fail."""
