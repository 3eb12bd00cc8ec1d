import httpx2

LOGIN = "/api/v1/auth/login"


async def test_smoke(api: httpx2.AsyncClient) -> None:
    made = await api.post(
        "/api/v1/auth/register", json={"username": "Ann", "email": "Ann@Example.com", "password": "long enough"}
    )
    assert made.status_code == 201, made.text
    assert made.json()["username"] == "ann"
    tokens = await api.post(LOGIN, json={"username": "ANN", "password": "long enough"})
    assert tokens.status_code == 200, tokens.text
    me = await api.get("/api/v1/users/me", headers={"Authorization": "Bearer " + tokens.json()["access_token"]})
    assert me.status_code == 200, me.text
    print(me.headers, me.json(), tokens.json())
