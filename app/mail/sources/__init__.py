"""The roads in, behind one port."""
