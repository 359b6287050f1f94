"""Accounts: who may come in, what he may, and the proof of both.

desk            one method for each use case, each with its audit entry in the same transaction
outcomes        what the desk answers: views, refusals, secrets shown once
models          the tables
roles           roles and duties as data (`config/roles.yaml`)
rules           limits in time and number, and the arithmetic of lock-out (pure)
passwords       Argon2id (RFC 9106), the password policy
second_factor   TOTP (RFC 6238), recovery codes, the box that TOTP secrets lie in
credentials     opaque secrets: how they are made, written and recognised
same_origin     refuses requests that another site made (pure)
setup, sign_in, people, tokens   the four parts of the desk
"""
