"""A local server that speaks Twilio's Messages and Content APIs, for WhatsApp and text messages,
and shows the phones it would have rung.

For the demo and the tests: it checks requests as Twilio does, counts what it accepted, reports
back with signed callbacks, passes replies on, and can be told to fail in each of Twilio's ways.
Run it with ``python -m portal.standin --help``. Of the portal it uses
nothing but the names of the demo's people and the words of its messages, as approved templates.
"""
