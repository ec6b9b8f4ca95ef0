//! The YAQL language: lexer, parser, evaluator, standard library.
