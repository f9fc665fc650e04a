vcl 4.1;

backend default {
    .host = "${bindips:haproxy}";
    .port = "${ports:haproxy}";
}

sub vcl_recv {
    # Who is logged in has pages of his own.
    if (req.http.Authorization || req.http.Cookie ~ "__ac=") {
        return (pass);
    }
    unset req.http.Cookie;
}
