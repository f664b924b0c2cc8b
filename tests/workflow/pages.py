"""What every report promises: one file that opens offline and shows the numbers."""

import base64
import re

from tenfold.runs.results import Finding


def check_page(page: str, num_figures: int, findings: tuple[Finding, ...]) -> str:
    """Check that a report stands alone and has these findings; returns it with plain spaces."""
    assert "<script" not in page
    assert not re.search(r'(?:src|href|srcset)="(?!data:image/png;base64,)', page)
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    assert "prefers-color-scheme: dark" in page
    assert page.count("<figure") == num_figures
    embedded = re.findall(r"base64,([^\"]*)", page)
    assert len(embedded) == 2 * num_figures  # each in light and dark
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for picture in embedded)
    text = page.replace("\N{NO-BREAK SPACE}", " ").replace("&#39;", "'")
    for finding in findings:
        assert finding.sentence in text
    return text
