"""Notifies of events, as services do: notify.py URL DRIVER EXCHANGE JSON"""

import json
import sys

import oslo_messaging
from oslo_config import cfg
from oslo_context import context

url, driver, exchange, events = sys.argv[1:]
oslo_messaging.set_transport_defaults(exchange)
conf = cfg.ConfigOpts()
conf([], project="events")
transport = oslo_messaging.get_notification_transport(conf, url.replace("amqp://", "rabbit://"))
notifier = oslo_messaging.Notifier(
    transport, publisher_id="compute.one", driver=driver, topics=["notifications"]
)
for event in json.loads(events):
    whose = context.RequestContext(**event["context"])
    notifier.info(whose, event["event"], event["payload"])
transport.cleanup()
