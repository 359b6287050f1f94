"""Who was it? Interval facts and declared sources in, an answer with its evidence out; pure but for the fact store.

question     what is asked; `answer` what is answered, and its JSON; `options` what may be set
answering    the whole way, and the verdict; `whereabouts` answers inner questions
nat          which connections used the public side; `joining` makes connections of facts; `chain` goes on inwards
owner        who held an inner address at the opening; `identity`, `claims` what is said of it, by whom
logins       stays of sign-ins and sign-outs; `sightings` what a directory proves; `lease` tenures; `register`
window       times and how far they are off; `clocks`, `silence`, `alive` of sources, learned from `speech`
"""
