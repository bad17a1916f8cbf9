"""Says who a customer is: the same tool in another language."""

CUSTOMERS = {
    "1001": {"name": "Ada Lovelace", "plan": "gold", "since": "2019-03-01"},
    "1002": {"name": "Grace Hopper", "plan": "silver", "since": "2021-11-12"},
}


def handler(event, context):
    custom = (context.client_context.custom if context.client_context else None) or {}
    print(f"customer {event['customerId']} was looked up by {custom.get('zeroplanePrincipal', 'nobody')}")
    customer = CUSTOMERS.get(event["customerId"])
    if customer is None:
        return {"found": False}
    return {"found": True, "customerId": event["customerId"], **customer}
