"""JWT authorizers: is the token the issuer's, for this audience, in time, and has it the route's scopes.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
"""

from __future__ import annotations

import time
from typing import Any

from undercast.services.apigatewayv2.serving import answers
from undercast.services.apigatewayv2.serving.compiled import JwtAuthorizer, Route
from undercast.services.apigatewayv2.serving.exchange import Exchange
from undercast.services.apigatewayv2.serving.issuers import Issuers, IssuerUnreachable

_ALGORITHMS = ("RS256", "RS384", "RS512")


class _Invalid(Exception):
    """The token is refused; the text goes into www-authenticate."""


async def authorize(issuers: Issuers, exchange: Exchange, route: Route, authorizer: JwtAuthorizer) -> None:
    """Let the request pass and note its claims. Raises Refused: 401, or 403 when a scope is missing."""
    token = _token(exchange, authorizer)
    if not token:
        exchange.authorizer_error = "missing: token not provided"
        exchange.authorizer_status = 401
        raise answers.unauthorized([("www-authenticate", "Bearer")])
    try:
        claims = await _verified(issuers, token, authorizer)
    except (_Invalid, IssuerUnreachable) as error:
        exchange.authorizer_error = str(error)
        exchange.authorizer_status = 401
        raise answers.unauthorized([_challenge(route, "invalid_token", str(error))]) from error
    granted = _scopes(claims)
    wanted = [scope for scope in route.scopes if scope in granted]
    if route.scopes and not wanted:
        exchange.authorizer_error = "insufficient_scope"
        exchange.authorizer_status = 403
        why = "the token does not have the required scopes"
        raise answers.forbidden([_challenge(route, "insufficient_scope", why)])
    exchange.authorizer_status = 200
    exchange.jwt_claims = {name: _text(value) for name, value in claims.items()}
    exchange.jwt_scopes = wanted or None


def _token(exchange: Exchange, authorizer: JwtAuthorizer) -> str:
    place, name = authorizer.source
    value = exchange.headers.get(name) if place == "header" else exchange.joined_query().get(name)
    if value is None:
        return ""
    scheme, space, rest = value.partition(" ")
    return rest.strip() if space and scheme.lower() == "bearer" else value.strip()


async def _verified(issuers: Issuers, token: str, authorizer: JwtAuthorizer) -> dict[str, Any]:
    import jwt  # here, for start-up counts: only JWT authorizers need it

    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise _Invalid("the token is malformed") from error
    algorithm = header.get("alg")
    if algorithm not in _ALGORITHMS:
        raise _Invalid(f"signing method {algorithm} is invalid")
    key = await issuers.key(authorizer.issuer, str(header.get("kid", "")), guarded=authorizer.guarded)
    if key is None:
        raise _Invalid("no matching public key was found for the token's kid")
    try:
        # The claims are checked below, in the order and words of AWS.
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[algorithm],
            options={
                "verify_aud": False,
                "verify_exp": False,
                "verify_iat": False,
                "verify_iss": False,
                "verify_nbf": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except jwt.PyJWTError as error:
        raise _Invalid("the token's signature is invalid") from error
    _check(claims, authorizer)
    return claims


def _check(claims: dict[str, Any], authorizer: JwtAuthorizer) -> None:
    if claims.get("iss") != authorizer.issuer:
        raise _Invalid("issuer does not match")
    audience = claims.get("aud")
    if audience is None:
        audience = claims.get("client_id")
    audiences = audience if isinstance(audience, list) else [audience]
    if not any(isinstance(one, str) and one in authorizer.audiences for one in audiences):
        raise _Invalid("the token does not have a valid audience")
    now = time.time()
    if not _is_time(claims.get("exp")) or now >= claims["exp"]:
        raise _Invalid("the token has expired")
    if "nbf" in claims and not (_is_time(claims["nbf"]) and claims["nbf"] <= now):
        raise _Invalid("the token is not valid yet")
    # Issuers stamp with the second they are in; ours may not have begun on their clock.
    if "iat" in claims and not (_is_time(claims["iat"]) and claims["iat"] <= now + 1):
        raise _Invalid("the token was used before it was issued")


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _scopes(claims: dict[str, Any]) -> set[str]:
    for name in ("scope", "scp"):
        value = claims.get(name)
        if isinstance(value, str):
            return set(value.split())
        if isinstance(value, list):
            return {one for one in value if isinstance(one, str)}
    return set()


def _challenge(route: Route, error: str, description: str) -> tuple[str, str]:
    scopes = " ".join(route.scopes)
    said = description.replace('"', "'")
    return "www-authenticate", f'Bearer scope="{scopes}" error="{error}" error_description="{said}"'


def _text(value: Any) -> str:
    """A claim as the event carries it: always text, lists in brackets."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{' '.join(_text(one) for one in value)}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{_text(one)}' for name, one in sorted(value.items()))}]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
