"""Reports: what an evaluation or a set of predictions says, as one HTML page. Sections: table in, HTML out."""

from trifacet.report.evaluation import evaluation_report
from trifacet.report.photos import predictions_page

__all__ = ["evaluation_report", "predictions_page"]
