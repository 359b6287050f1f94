"""Time stamps of an outside authority (RFC 3161): asking for them, checking them, and the queue between.

fault      why a reply is no proof: one dotted reason each
trust      pinned roots, allowed policies, revocation lists; and whether the authority is a trial one
reply      bytes to parts: TimeStampResp or bare token, and what TSTInfo states (nothing is believed yet)
chain      certificate path at the token's time to a pinned root, and revocation with reasons
token      the strict check: `check_reply` gives a `CheckedToken` or raises `TokenFault`; pure
request    TimeStampReq: made with a nonce, and read back from a stored `.tsq`
authority  the small protocol behind which authorities stand, and the word for their passwords
rfc3161    plain RFC 3161 over HTTP, Basic authentication where the authority wants it
kamusm     Kamu SM (TUBITAK BILGEM): the same, with its `identity` header and credit query
openssl    a second opinion before a token is accepted: `openssl ts -verify`
stamping   the queue: stamps what waits, oldest first, and never makes anything up
"""
