"""The failures that a user can mend: what is wrong, and what to type next."""


class ExportError(Exception):
    """`code` is one of the package's: ERR_DSRL_POLICY_* for a checkpoint that cannot be exported,
    ERR_DSRL_CONFIG_* for options, ERR_DSRL_EXPORT_* for the machine."""

    def __init__(self, code: str, message: str, hint: str):
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
