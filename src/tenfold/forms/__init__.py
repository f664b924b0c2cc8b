"""Forms: sheets of one layout, registered to a reference picture and read field by field.

    from tenfold.forms import load_form, read_form
    reading = read_form(tenfold.Reader(), load_form("marks.toml"), "scan.png")
    reading.values, reading.doubtful

Also the workbooks that forms and tables are written to.
"""

from tenfold.forms.form import Field as Field
from tenfold.forms.form import Form as Form
from tenfold.forms.form import load_form as load_form
from tenfold.forms.reading import FormReader as FormReader
from tenfold.forms.reading import read_form as read_form
from tenfold.forms.result import Batch as Batch
from tenfold.forms.result import FieldReading as FieldReading
from tenfold.forms.result import FormReading as FormReading
