"""What the black-box tests share: a server under test, its artifacts and the report. Knows no case and no protocol beyond a greeting."""
