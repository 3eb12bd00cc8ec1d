"""The peer: Django Channels with channels_redis. Runs in an environment of its own; see bench/realtime/systems.py.

`uvicorn channels_peer:application` serves; `python channels_peer.py` publishes what it reads from its input.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import sys
import time
from urllib.parse import parse_qs

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path
from redis.asyncio import Redis

URL, SECRET = os.environ["BENCH_REDIS_URL"], os.environ["BENCH_SECRET"]
# The faster of its two layers: real pub/sub instead of polled lists.
LAYER = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [URL]}}

settings.configure(ALLOWED_HOSTS=["*"], CHANNEL_LAYERS={"default": LAYER}, SECRET_KEY=SECRET)
django.setup()
history = Redis.from_url(URL, decode_responses=True)


def principal(token):
    head, body, signature = token.split(".")
    right = hmac.new(SECRET.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(base64.urlsafe_b64encode(right).rstrip(b"="), signature.encode()):
        raise ValueError("unauthenticated")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    if claims["exp"] < time.time():
        raise ValueError("expired")
    return claims["sub"]


class Consumer(AsyncWebsocketConsumer):
    async def connect(self):
        self.ticket = None
        try:
            self.user = principal(parse_qs(self.scope["query_string"].decode())["token"][0])
        except (KeyError, ValueError):
            await self.close(4001)
        else:
            await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        asked = json.loads(text_data)
        self.ticket, after = asked["ticket"], asked["after"]
        await self.channel_layer.group_add(self.ticket, self.channel_name)
        missed = [] if after is None else await history.lrange(f"history:{self.ticket}", after, -1)
        await self.send(json.dumps({"type": "subscribed", "seq": (after or 0) + len(missed)}))
        for text in missed:
            await self.send(text)

    async def ticket_update(self, event):
        await self.send(event["text"])

    async def disconnect(self, code):
        if self.ticket is not None:
            await self.channel_layer.group_discard(self.ticket, self.channel_name)


async def there(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


application = ProtocolTypeRouter({"http": there, "websocket": URLRouter([path("ws", Consumer.as_asgi())])})


async def publish():
    layer = get_channel_layer()
    for line in sys.stdin:
        told = json.loads(line)
        text = json.dumps(told["data"])
        await history.rpush(f"history:{told['ticket']}", text)
        if told["live"]:
            await layer.group_send(told["ticket"], {"type": "ticket.update", "text": text})
        print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(publish())
