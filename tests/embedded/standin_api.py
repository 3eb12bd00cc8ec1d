from tests.embedded.standin_server import serve

serve("EVIDESK_PORT")
