"""What `some demo` shows and tests play with: nothing in here may take part in a real site.

tsa      a time-stamping authority of our own, which says DENEME in every name: good protocol, no standing in law
traffic  three invented hours of a municipality, the same ones each time
show     the verb: sends them through the real collectors, seals, stamps, tampers with a copy, shows the pages
"""
