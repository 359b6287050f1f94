"""Who was it? Interval facts and declared sources in, an answer with its evidence out; pure but for the fact store.

question   what is asked
answer     what is answered: certain, candidates or a stated gap
"""
