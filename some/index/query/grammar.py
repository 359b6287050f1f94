"""The grammar of the query language, for lark's LALR parser with its contextual lexer.

Operators are words only where an operator may stand, so `user.name:and` is a value. A name is a field only where a
comparison follows it; an unquoted IPv6 or MAC address and a URL are free text, not a field.
"""

from __future__ import annotations

GRAMMAR = r"""
start: either?

?either: both (OR both)*
?both: inverse (AND? inverse)*
?inverse: NOT inverse -> negation
        | "(" either ")" -> group
        | FIELD ":" values -> match
        | FIELD compare -> compared
        | WORD -> bare_word
        | STRING -> bare_string

compare: OP VALUE -> compare_word
       | OP STRING -> compare_string

?values: value
       | "(" some_values ")" -> group
?some_values: all_values (OR all_values)*
?all_values: one_value (AND one_value)*
?one_value: NOT one_value -> negation
          | "(" some_values ")" -> group
          | value
?value: VALUE -> word
      | STRING -> string
      | compare
      | "[" edge TO edge "]" -> between
edge: VALUE -> word
    | STRING -> string

OR.4: /(?:or|veya)(?![^\s()"])/i
AND.4: /(?:and|ve)(?![^\s()"])/i
NOT.4: /(?:not|d[eE][ğĞ][iİıI][lL])(?![^\s()"])/i
TO.4: /to(?![^\s()"])/i
FIELD.3: /(?!(?:[\dA-F]{1,4}:)+(?::|(?:[\dA-F]{1,4}:){2}))[^\W\d][\w.-]*(?=\s*(?::(?!\/\/)|[<>]))|@[\w.-]+(?=\s*[:<>])/i
OP.2: />=|<=|>|</
STRING.2: /"(?:[^"\\]|\\.)*"/s
WORD.1: /(?:\\.|[^\s()"<>\[\]\\:]|\\(?=\s|$))(?:\\.|[^\s()"<>\[\]\\]|\\(?=\s|$))*/
VALUE.1: /(?:\\.|[^\s()"<>\[\]\\]|\\(?=\s|$))+/

%ignore /\s+/
"""

EXPECTED = {
    "OR": "or",
    "AND": "and",
    "NOT": "not",
    "TO": "TO",
    "FIELD": "field",
    "OP": ">=",
    "STRING": '"…"',
    "WORD": "word",
    "VALUE": "value",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "COLON": ":",
}
"""What an error calls each terminal; `field`, `word` and `value` are translated, the rest is what one types."""
