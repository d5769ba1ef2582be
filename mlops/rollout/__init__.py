"""Blue/green: when to shift traffic, and when to take it back.

Pure are plan, machine, breadcrumb and analysis: no clock, no network, no files. The rest does what they say.
"""
