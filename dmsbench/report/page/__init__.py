"""The report of a run as one self-contained HTML page: what broke, how badly, and samples.

``charts`` and ``samples`` say what is shown as plain data, ``document`` makes the page, ``assets`` shows it
in the browser. Data reach the browser as compressed JSON and are put on the page as text, never as markup.
"""

from dmsbench.report.page.document import write_page

__all__ = ["write_page"]
