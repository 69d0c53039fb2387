"""One settings module for every way to run. The environment chooses; no code branches on it.

``docs/configuration.md`` lists every variable. Each may come from a file, as secrets should:
where ``SECRET_KEY_FILE`` names one, it is read instead of ``SECRET_KEY``, and so for all of them.
"""

from portal.settings.api import *
from portal.settings.data import *
from portal.settings.environment import *
from portal.settings.locks import *
from portal.settings.messages import *
from portal.settings.people import *
from portal.settings.rest import *
from portal.settings.retention import *
from portal.settings.rooms import *
from portal.settings.watching import *
from portal.settings.words import *
from portal.settings.work import *
