"""What we say: facts gathered into a frozen value, rendered to documents, registered with number and digest.

reply      the answer to a prosecutor's request
"""
