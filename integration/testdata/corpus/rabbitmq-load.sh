#!/bin/sh
# Declares a queue, publishes a durable message and takes it back, through the management interface.
set -e
api=http://127.0.0.1:15672/api
call() { curl -sS -f -u guest:guest -H 'content-type: application/json' "$@"; }
call -X PUT $api/queues/%2f/q -d '{"durable":true}'
call $api/exchanges/%2f/amq.default/publish -d '{"properties":{"delivery_mode":2},"routing_key":"q","payload":"kept","payload_encoding":"string"}'
call $api/queues/%2f/q/get -d '{"count":1,"ackmode":"ack_requeue_false","encoding":"auto"}'
